/**
 * Measures, on this machine's kernel and under a private root: exec to attached (the control socket answers), `health`
 * with the agent running, `--version`, and the agent's resident memory.
 *
 *   tests/bench/start-up [--agent PATH] [--runs N] [--json]
 *
 * Each figure is the median of N runs, next to that of /bin/true in the same run. The rows are left in
 * build/bench/start-up.json.
 */

import { parseArgs } from "node:util";
import { mount, unmount } from "../../ffi/libc.ts";

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

const root = Deno.makeTempDirSync({ prefix: "aegisbpf-bench-" });
const bpffs = `${root}/bpf`;
Deno.mkdirSync(bpffs);
mount("bpf", bpffs, "bpf");
const env = { AEGISBPF_ROOT: root, AEGISBPF_BPFFS: bpffs };
const policy = `${root}/policy.yaml`;
Deno.writeTextFileSync(`${root}/secret`, "secret\n");
Deno.writeTextFileSync(
  policy,
  `version: 1\nname: bench\nserial: 1\nrules: [{id: secret, paths: [${root}/secret]}]\n`,
);
Deno.chmodSync(root, 0o700);

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
  const until = started + 10_000;
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

try {
  const created: number[] = [],
    adopted: number[] = [],
    health: number[] = [],
    version: number[] = [],
    nothing: number[] = [];
  let rss = 0;
  for (let run = 0; run < runs; run++) {
    const first = await start();
    created.push(first.ms);
    health.push(timed(values.agent, "health"));
    version.push(timed(values.agent, "--version"));
    nothing.push(timed("/bin/true"));
    rss = residentMib(first.agent.pid);
    await stop(first.agent);
    const second = await start();
    adopted.push(second.ms);
    await stop(second.agent);
    timed(values.agent, "detach", "--yes");
  }
  const rows = {
    "exec to attached, nothing pinned (ms)": median(created),
    "exec to attached, adopting (ms)": median(adopted),
    "health (ms)": median(health),
    "--version (ms)": median(version),
    "/bin/true (ms)": median(nothing),
    "resident memory (MiB)": rss,
  };
  const folder = new URL("../../build/bench/", import.meta.url);
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(new URL("start-up.json", folder), JSON.stringify(rows, null, 2) + "\n");
  if (values.json) console.log(JSON.stringify(rows));
  else {for (const [name, value] of Object.entries(rows)) {
      console.log(`${name.padEnd(42)} ${value.toFixed(1)}`);
    }}
} finally {
  timed(values.agent, "detach", "--yes");
  unmount(bpffs);
  Deno.removeSync(root, { recursive: true });
}
