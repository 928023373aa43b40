/**
 * The life of policies on this machine's own kernel: the agent is ended, as by `kill -9`, at every step of taking one policy for
 * another. Whatever the step, one of the two is in force afterwards, whole, with an agent and without, and the history says which.
 *
 *   deno run --allow-all tests/host/rollout.ts --agent PATH [--only PART-OF-A-NAME]
 *
 * Prints a line of JSON for each case.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { parseArgs } from "node:util";
import { type Cases, type Host, runCases } from "./installation.ts";

const { values } = parseArgs({
  options: { agent: { type: "string", default: "" }, only: { type: "string", default: "" } },
});

/** Milliseconds for switching policies; 1,000 take three minutes on a busy machine. */
const SWITCH_MS = 40_000;

/** Each policy watches a file of its own, and one that all watch. */
function policyOf(host: Host, serial: number): string {
  const path = `${host.folder}/policy-${serial}.yaml`;
  const own = `${host.folder}/file-${serial}`;
  Deno.writeTextFileSync(own, "");
  const rules = [`serial-${serial}`, "shared"].map((id, index) =>
    `  - id: ${id}\n    paths: [${index === 0 ? own : host.secret}]\n    deny: [read]\n`
  ).join("");
  Deno.writeTextFileSync(
    path,
    `version: 1\nname: life\nserial: ${serial}\nmode: audit\nrules:\n${rules}`,
    { mode: 0o600 },
  );
  return path;
}

async function json(host: Host, ...args: string[]) {
  const { out, err } = await host.ask(...args, "--json");
  ok(out !== "", err);
  return JSON.parse(out);
}

/** Opens the files of these policies; how often their rules and the shared one have been counted since the last time. */
async function opened(host: Host, serials: readonly number[], before: ReadonlyMap<string, number>) {
  for (const serial of serials) Deno.readTextFileSync(`${host.folder}/file-${serial}`);
  Deno.readTextFileSync(host.secret);
  return await counts(host, before);
}

async function counts(host: Host, before: ReadonlyMap<string, number> = new Map()) {
  const { rows } = await json(host, "stats", "--by", "rule");
  return new Map<string, number>(
    rows.map(({ key, count }: { key: string; count: number }) => [key, count - (before.get(key) ?? 0)]),
  );
}

/** Starts an agent that ends at a point, or one that lives. */
async function startUntil(host: Host, point?: string): Promise<void> {
  if (point === undefined) delete host.environment.AEGISBPF_FAULT_POINT;
  else host.environment.AEGISBPF_FAULT_POINT = point;
  try {
    await host.again("--events", "off", "--record", "off");
  } finally {
    delete host.environment.AEGISBPF_FAULT_POINT;
  }
}

/** One of `serials` is in force, whole, and the history says which; answers it. */
async function whole(host: Host, serials: readonly number[], context: string): Promise<number> {
  const { policy, checks } = await json(host, "health");
  ok(serials.includes(policy.serial), `${context}: ${JSON.stringify(policy)}`);
  deepStrictEqual(checks.filter((check: { ok: boolean }) => !check.ok), [], context);
  const seen = await opened(host, serials, await counts(host));
  const mine = serials.filter((serial) => (seen.get(`serial-${serial}`) ?? 0) > 0);
  deepStrictEqual([mine, seen.get("shared")], [[policy.serial], 1], context);
  const { code, out, err } = await host.ask("policy", "history", "--json");
  strictEqual(code, 0, `${context}: ${err}`);
  const last = JSON.parse(out).entries.at(-1);
  deepStrictEqual([last.what, last.serial, last.sha256], ["start", policy.serial, policy.sha256], context);
  return policy.serial;
}

/** A process that opens a file again and again until it is told to stop. */
class Opener implements Disposable {
  readonly #child: Deno.ChildProcess;

  constructor(path: string) {
    const script = `
      let [opens, stop] = [0, false];
      Deno.stdin.read(new Uint8Array(1)).then(() => stop = true);
      while (!stop) {
        for (let turn = 0; turn < 20; turn++, opens++) Deno.openSync(${JSON.stringify(path)}).close();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      console.log(opens);`;
    const args = ["eval", script];
    this.#child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  }

  /** How often it has opened the file. */
  async stop(): Promise<number> {
    await this.#child.stdin.close();
    return Number(await new Response(this.#child.stdout).text());
  }

  [Symbol.dispose](): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended.
      if (!(error instanceof TypeError)) throw error;
    }
  }
}

interface Step {
  /** The step in a fault point's name. */
  readonly step: string;
  /** Its points, and whether what it leads to is in force after each. */
  readonly points: readonly (readonly [point: string, after: boolean])[];
  /** Whether it leads to `after`, as all but a rollback do. */
  readonly backwards?: boolean;
  /** Leads to the fault. */
  readonly take: (host: Host, before: number, after: number, point: string) => Promise<void>;
  /** With `before` in force, has everything ready. */
  readonly prepare?: (host: Host, before: number, after: number) => Promise<void>;
}

/** Walks the points of a step in one installation: each agent that is started after a fault runs into the next. */
async function walk(host: Host, { step, points, take, prepare, backwards = false }: Step): Promise<void> {
  let serial = 1;
  await startUntil(host);
  for (const [point, isTaken] of points) {
    const [before, after] = [serial + 1, serial + 2];
    serial += 2;
    const context = `${step}:${point}`;
    strictEqual((await host.ask("policy", "apply", policyOf(host, before))).code, 0, context);
    await host.end();
    await startUntil(host, step === "start" ? undefined : context);
    policyOf(host, after);
    await prepare?.(host, before, after);
    await take(host, before, after, context);
    await host.died();
    // Without an agent too, the kernel has one or the other.
    for (const one of [before, after]) Deno.readTextFileSync(`${host.folder}/file-${one}`);
    await startUntil(host);
    const found = await whole(host, [before, after], context);
    strictEqual(found, isTaken !== backwards ? after : before, context);
    const seen = await counts(host);
    strictEqual((seen.get(`serial-${before}`) ?? 0) + (seen.get(`serial-${after}`) ?? 0), 2, context);
  }
}

const IN_FORCE_POINTS = [
  ["kept", false],
  ["filled", false],
  ["accepted", false],
  ["switched", true],
  ["current", true],
  ["recorded", true],
] as const;

async function confirmWithin(host: Host, seconds: string, after: number): Promise<void> {
  const policy = `${host.folder}/policy-${after}.yaml`;
  const { code, err } = await host.ask("policy", "apply", "--confirm-within", seconds, policy);
  strictEqual(code, 0, err);
}

const CASES: Cases = {
  "an apply that is cut off leaves the old policy or the new": (host) =>
    walk(host, {
      step: "apply",
      points: IN_FORCE_POINTS,
      take: async (host, _before, after) => {
        ok((await host.ask("policy", "apply", `${host.folder}/policy-${after}.yaml`)).code !== 0);
      },
    }),

  "a rollback that is cut off leaves the old policy or the new": (host) =>
    walk(host, {
      step: "rollback",
      points: IN_FORCE_POINTS,
      backwards: true,
      prepare: async (host, _before, after) => {
        strictEqual((await host.ask("policy", "apply", `${host.folder}/policy-${after}.yaml`)).code, 0);
      },
      take: async (host, before) => {
        ok((await host.ask("policy", "rollback", "--to", String(before))).code !== 0);
      },
    }),

  "a start with another policy that is cut off leaves the old policy or the new": (host) =>
    walk(host, {
      step: "start",
      points: IN_FORCE_POINTS,
      take: async (host, _before, after, point) => {
        await host.end();
        host.environment.AEGISBPF_FAULT_POINT = point;
        const args = ["--backend", "tracepoint", "--events", "off", "--record", "off"];
        const { code } = await host.ask("run", ...args, "--policy", `${host.folder}/policy-${after}.yaml`);
        strictEqual(code, 137);
      },
    }),

  "a confirmation that is cut off leaves the new policy": (host) =>
    walk(host, {
      step: "confirm",
      points: [["confirmed", true], ["current", true], ["recorded", true]],
      prepare: (host, _before, after) => confirmWithin(host, "5m", after),
      take: async (host) => {
        ok((await host.ask("policy", "confirm")).code !== 0);
      },
    }),

  "a revert that is cut off leaves the old policy": (host) =>
    walk(host, {
      step: "revert",
      points: [["reverted", false], ["recorded", false]],
      take: (host, _before, after) => confirmWithin(host, "1s", after),
    }),

  "the old policy comes back on time when the agent was killed, and the next one says so": async (host) => {
    await startUntil(host);
    for (const serial of [1, 2]) policyOf(host, serial);
    strictEqual((await host.ask("policy", "apply", `${host.folder}/policy-1.yaml`)).code, 0);
    await confirmWithin(host, "2s", 2);
    await host.end("SIGKILL");
    Deno.readTextFileSync(`${host.folder}/file-2`);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    Deno.readTextFileSync(`${host.folder}/file-1`);
    await startUntil(host);
    match(host.log, /serial 2, was taken back: it was not confirmed in time, while no agent ran/);
    const seen = await counts(host);
    deepStrictEqual([seen.get("serial-1"), seen.get("serial-2")], [1, 1]);
    strictEqual(await whole(host, [1, 2], "after the deadline"), 1);
    const { entries } = await json(host, "policy", "history");
    deepStrictEqual(
      entries.slice(-2).map(({ what, serial }: { what: string; serial: number }) => [what, serial]),
      [["revert", 2], ["start", 1]],
    );
    match((await json(host, "health")).reasons.join("\n"), /serial 2, was taken back/);
    strictEqual((await host.ask("policy", "confirm")).code, 1);
  },

  "an agent that is started again before the deadline can be told to let the policy stay": async (host) => {
    await startUntil(host);
    for (const serial of [1, 2]) policyOf(host, serial);
    strictEqual((await host.ask("policy", "apply", `${host.folder}/policy-1.yaml`)).code, 0);
    await confirmWithin(host, "5m", 2);
    await host.end("SIGKILL");
    await startUntil(host);
    match((await json(host, "health")).reasons.join("\n"), /serial 2, waits for confirmation/);
    const refused = await host.ask("policy", "apply", policyOf(host, 3));
    strictEqual(refused.code, 1, refused.err);
    strictEqual((await host.ask("policy", "confirm")).code, 0);
    await host.end();
    await startUntil(host);
    strictEqual(await whole(host, [1, 2], "after a restart"), 2);
  },

  "policies one after the other, up to 1,000, count every open of a file that all watch, once": async (
    host,
  ) => {
    await startUntil(host);
    const path = `${host.environment.AEGISBPF_ROOT}/run/aegisbpf/control.sock`;
    using http = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    const apply = async (serial: number) => {
      const file = policyOf(host, serial);
      const body = JSON.stringify({ source: Deno.readFileSync(file).toBase64(), file });
      const headers = { "content-type": "application/json" };
      const url = "http://localhost/v1/policy/apply";
      const answer = await fetch(url, { method: "POST", body, headers, client: http });
      strictEqual(answer.status, 200, await answer.text());
    };
    await apply(1);
    using opener = new Opener(host.secret);
    const end = Date.now() + SWITCH_MS;
    let last = 1;
    while (last < 1000 && Date.now() < end) await apply(++last);
    ok(last > 50, `${last} policies`);
    const opens = await opener.stop();
    const { rows } = await json(host, "stats", "--by", "rule");
    const shared = rows.find(({ key }: { key: string }) => key === "shared");
    ok(opens > 1000, `${opens} opens`);
    strictEqual(shared.count, opens);
    const history = await host.ask("policy", "history", "--json");
    strictEqual(history.code, 0, history.err);
    strictEqual((await json(host, "health")).policy.serial, last);
  },

  "a lower serial is refused for good, and the pins know it when every file is gone": async (host) => {
    await startUntil(host);
    for (const serial of [1, 2, 3]) policyOf(host, serial);
    for (const serial of [1, 3]) {
      strictEqual((await host.ask("policy", "apply", `${host.folder}/policy-${serial}.yaml`)).code, 0);
    }
    strictEqual((await host.ask("policy", "rollback")).code, 0);
    const state = `${host.environment.AEGISBPF_ROOT}/var/lib/aegisbpf`;
    await host.end();
    Deno.removeSync(state, { recursive: true });
    await host.again("--events", "off", "--record", "off", "--policy", `${host.folder}/policy-1.yaml`);
    const { code, err } = await host.ask("policy", "apply", `${host.folder}/policy-2.yaml`);
    strictEqual(code, 5, err);
    match(host.log, /serial\.json is missing, but the kernel knows serial 3/);
    const history = await host.ask("policy", "history");
    strictEqual(history.code, 1);
    match(history.err, /entries 1 to \d+ are missing/);
    strictEqual((await json(host, "health")).ok, false);
  },
};

await runCases("rollout", CASES, values);
