/**
 * Measures, on this machine's kernel and under a private root: exec to attached (the control socket answers), `health`
 * with the agent running, `--version`; and by the number of rules, the same and the agent's resident memory.
 *
 *   tests/bench/start-up [--agent PATH] [--runs N] [--json]
 *
 * Each figure is the median of N runs, next to that of /bin/true in the same run. The rows are left in
 * build/bench/start-up.json; exits 1 when one exceeds its limit.
 */

import { parseArgs } from "node:util";
import { mount, unmount } from "../../ffi/libc.ts";
import { leave, type Row } from "./rows.ts";

const { values } = parseArgs({
  options: {
    agent: { type: "string", default: new URL("../../dist/aegisbpf", import.meta.url).pathname },
    runs: { type: "string", default: "7" },
    json: { type: "boolean", default: false },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) {
  throw new Error(`Expected --runs to be a whole number, got ${values.runs}`);
}

/** Sizes of policies with which the agent is started, once each. */
const RULES = [1, 100, 1000, 10_000];

const root = Deno.makeTempDirSync({ prefix: "aegisbpf-bench-" });
const bpffs = `${root}/bpf`;
Deno.mkdirSync(bpffs);
mount("bpf", bpffs, "bpf");
const env = { AEGISBPF_ROOT: root, AEGISBPF_BPFFS: bpffs };
const policy = `${root}/policy.yaml`;
Deno.writeTextFileSync(`${root}/secret0`, "secret\n");
writePolicy(1, 1);
Deno.chmodSync(root, 0o700);

function writePolicy(serial: number, count: number): void {
  const rules = Array.from(
    { length: count },
    (_, index) => `  - {id: r${index}, paths: [${root}/secret${index}]}\n`,
  );
  Deno.writeTextFileSync(policy, `version: 1\nname: bench\nserial: ${serial}\nrules:\n${rules.join("")}`);
}

function timed(command: string, ...args: string[]): number {
  const started = performance.now();
  new Deno.Command(command, { args, env, stdout: "null", stderr: "null" }).outputSync();
  return performance.now() - started;
}

/** Starts an agent and waits until its socket answers; returns the milliseconds that took. */
async function start(): Promise<{ agent: Deno.ChildProcess; ms: number }> {
  const started = performance.now();
  const agent = new Deno.Command(values.agent, {
    args: ["run", "--policy", policy, "--events", "off"],
    env,
    stdout: "null",
    stderr: "null",
  }).spawn();
  const until = started + 60_000;
  while (performance.now() < until) {
    try {
      (await Deno.connect({ transport: "unix", path: `${root}/run/aegisbpf/control.sock` })).close();
      return { agent, ms: performance.now() - started };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  throw new Error("The agent does not answer");
}

async function stop(agent: Deno.ChildProcess): Promise<void> {
  agent.kill("SIGTERM");
  await agent.status;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}

function residentMib(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? NaN) / 1024;
}

let status = 1;
try {
  const taken: Record<"nothing" | "created" | "adopted" | "health" | "version", number[]> = {
    ...{ nothing: [], created: [], adopted: [], health: [], version: [] },
  };
  for (let run = 0; run < runs; run++) {
    const first = await start();
    taken.created.push(first.ms);
    taken.health.push(timed(values.agent, "health"));
    taken.version.push(timed(values.agent, "--version"));
    taken.nothing.push(timed("/bin/true"));
    await stop(first.agent);
    const second = await start();
    taken.adopted.push(second.ms);
    await stop(second.agent);
    timed(values.agent, "detach", "--yes");
  }
  const row = (key: keyof typeof taken, text: string, max?: number): Row => ({
    ...{ key, text, value: median(taken[key]), unit: "ms" },
    ...(max === undefined ? {} : { limit: { max } }),
    ...(key === "nothing" ? {} : { baseline: "nothing" }),
  });
  const rows: Row[] = [
    row("nothing", "/bin/true"),
    row("created", "exec to attached, nothing pinned", 300),
    row("adopted", "exec to attached, adopting what is pinned"),
    row("health", "`health`", 100),
    row("version", "`--version`"),
  ];
  for (const [index, count] of RULES.entries()) {
    const text = count === 1 ? "1 path rule" : `${count.toLocaleString("en")} path rules`;
    writePolicy(2 + index, count);
    const { agent, ms } = await start();
    timed(values.agent, "health");
    rows.push(
      {
        key: `created/${count}`,
        text: `exec to attached, ${text}`,
        value: ms,
        unit: "ms",
        baseline: "created",
      },
      {
        ...{ key: `resident/${count}`, text: `resident memory of the agent, ${text}` },
        ...{ value: residentMib(agent.pid), unit: "MiB" },
      },
    );
    await stop(agent);
    timed(values.agent, "detach", "--yes");
  }
  status = leave("start-up", rows, values.json);
} finally {
  timed(values.agent, "detach", "--yes");
  unmount(bpffs);
  Deno.removeSync(root, { recursive: true });
}
Deno.exit(status);
