/** Policies that are confirmed, taken back and gone back to, and many of them one after the other. All disturb the others. */

import { type Case, category, check, type Context, equal, eventually, type Setup } from "../guest/case.ts";

const disruptive = true;

/** Files as a policy's rule can name them: by path, by a path that waits, by a subtree. */
const prepare = (t: Setup): void => {
  const dir = t.dir();
  Deno.mkdirSync(`${dir}/tree`);
  t.file(`${dir}/secret`);
  t.file(`${dir}/tree/inside`);
  t.deny([`${dir}/secret`, `${dir}/late`, `${dir}/tree/**`]);
};

function opened(t: Context, ...names: string[]): string {
  return t.act.all(names.map((name) => ["open-read", `${t.dir()}/${name}`])).join();
}

/** The policy without the case's rule, in force for a while. */
async function tryWithout(t: Context, within: string): Promise<void> {
  const rules = t.policy.rules.filter((rule) => rule.id !== t.ruleId());
  await t.agent.expect(0, "policy", "apply", "--confirm-within", within, t.writePolicy({ rules }));
  equal(opened(t, "secret", "tree/inside"), "ok,ok", "the files without the rule");
}

/** Puts a file where the policy that may come back waits for one, and takes one out of its subtree. */
function move(t: Context): void {
  t.file(`${t.dir()}/late`);
  Deno.renameSync(`${t.dir()}/tree/inside`, `${t.dir()}/outside`);
  equal(opened(t, "late", "outside"), "ok,ok", "the files that were moved, without the rule");
}

async function untilDenied(t: Context): Promise<void> {
  await eventually(() => equal(opened(t, "secret"), "EPERM", "the file after the deadline"));
  equal(opened(t, "secret", "late", "outside"), "EPERM,EPERM,EPERM", "the files after the deadline");
}

async function lastEntries(t: Context, count: number): Promise<string> {
  const { entries } = await t.agent.json(0, "policy", "history", "--json");
  return entries.slice(-count).map((entry: { what: string; result: string }) =>
    `${entry.what} ${entry.result}`
  ).join();
}

/** The cases of `rollout`. */
export const rollouts: Case[] = category("rollout", [
  {
    name: "a policy that is confirmed stays, and a rollback brings the one before it back",
    disruptive,
    kernels: ["5.10-none", "6.12-bpf"],
    prepare,
    run: async (t) => {
      await tryWithout(t, "8s");
      await t.agent.expect(0, "policy", "confirm");
      await new Promise((done) => setTimeout(done, 9000));
      equal(opened(t, "secret"), "ok", "the file after the deadline");
      await t.agent.expect(0, "policy", "rollback");
      equal(opened(t, "secret", "tree/inside"), "EPERM,EPERM", "the files after the rollback");
      equal(await lastEntries(t, 3), "apply pending,confirm done,rollback done", "the history");
    },
  },
  {
    name: "a policy that nobody confirms is taken back, with what moved meanwhile",
    disruptive,
    kernels: ["6.1-bpf", "7.3-none"],
    prepare,
    run: async (t) => {
      await tryWithout(t, "8s");
      move(t);
      await untilDenied(t);
      const { reasons } = await t.agent.health();
      check(/was not confirmed in time/.test(reasons.join()), `health does not say so: ${reasons}`);
      equal(await lastEntries(t, 2), "apply pending,revert done", "the history");
    },
  },
  {
    name: "a policy that nobody confirms is taken back when the agent is dead",
    disruptive,
    kernels: ["5.10-bpf", "6.12-none"],
    prepare,
    run: async (t) => {
      await tryWithout(t, "8s");
      await t.agent.kill();
      move(t);
      await untilDenied(t);
      await t.agent.start("--events", t.events.path);
      equal(opened(t, "secret", "late", "outside"), "EPERM,EPERM,EPERM", "the files under the new agent");
      equal(await lastEntries(t, 3), "apply pending,revert done,start done", "the history");
    },
  },
  {
    name: "policies are switched 1,000 times under a stream of opens",
    // The kernel's part is the same everywhere, and this takes minutes: 0.2 s for each switch.
    kernels: ["6.12-bpf"],
    phases: ["alone"],
    limit: 600_000,
    run: switchOften,
  },
]);

const SWITCHES = 1000;

/** Two policies take turns: both deny one file, each one of its own. */
async function switchOften(t: Context): Promise<void> {
  const dir = t.dir();
  const path = (name: string): string => `${dir}/${name}`;
  for (const name of ["both", "even", "odd"]) t.file(path(name));
  const rules = (turn: number) =>
    ["both", parityOf(turn)].map((name) => ({ id: t.ruleId(name), paths: [path(name)] }));
  const first = t.writePolicy({ rules: rules(0) });
  const policy = JSON.parse(Deno.readTextFileSync(first));
  await t.agent.start("--policy", first, "--events", t.events.path);
  try {
    using streams = new DisposableStack();
    const opens = ["both", "even", "odd"].map((name) => streams.use(t.act.repeat("open-read", path(name))));
    using client = new Applier();
    for (let turn = 1; turn <= SWITCHES; turn++) {
      await client.apply({ ...policy, serial: policy.serial + turn, rules: rules(turn) });
      const found = ["both", "even", "odd"].map((name) => isDenied(path(name))).join();
      equal(
        found,
        turn % 2 === 0 ? "true,true,false" : "true,false,true",
        `who is denied after ${turn} switches`,
      );
    }
    const [ofBoth = "", ofEven = "", ofOdd = ""] = await Promise.all(opens.map((stream) => stream.stop()));
    check(/^EPERM=\d+$/.test(ofBoth), `opens of what both deny: ${ofBoth}`);
    for (const result of [ofEven, ofOdd]) {
      check(/ok=\d+ EPERM=\d+/.test(result), `opens of what one denies: ${result}`);
    }
    await decidedByOne(t, policy.serial);
  } finally {
    await t.agent.kill();
  }
}

/** Every decision names a policy that was complete, and that denies what was denied. */
async function decidedByOne(t: Context, first: number): Promise<void> {
  for (const name of ["even", "odd"]) {
    for (const event of await t.events.of(t.ruleId(name))) {
      const { serial } = event.policy as { serial: number };
      check(serial >= first && serial <= first + SWITCHES, `a decision by a policy of serial ${serial}`);
      equal(parityOf(serial - first), name, `the policy by which the file of the ${name} ones was refused`);
    }
  }
}

function parityOf(turn: number): "even" | "odd" {
  return turn % 2 === 0 ? "even" : "odd";
}

function isDenied(path: string): boolean {
  try {
    Deno.openSync(path).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return true;
    throw error;
  }
}

/** Applies policies over the control socket, as the command line does, without its start each time. */
class Applier implements Disposable {
  readonly #client = Deno.createHttpClient({
    proxy: { transport: "unix", path: "/run/aegisbpf/control.sock" },
  });

  async apply(policy: { readonly serial: number }): Promise<void> {
    const source = new TextEncoder().encode(JSON.stringify(policy)).toBase64();
    const answer = await fetch("http://localhost/v1/policy/apply", {
      method: "POST",
      body: JSON.stringify({ source, file: "/switched.yaml" }),
      headers: { "content-type": "application/json" },
      client: this.#client,
    });
    const text = await answer.text();
    check(answer.ok, `apply of serial ${policy.serial}: ${text}`);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
