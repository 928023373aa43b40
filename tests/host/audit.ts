/**
 * Runs those cases of tests/vm's catalogue that only watch, by the `tracepoint` backend, on this machine's own kernel, as root; then
 * the agent's life, life.ts, and that of policies, rollout.ts.
 *
 *   tests/host/run [--agent PATH]
 *
 * The agent gets a root, a bpffs and a mount namespace of its own, so that an installed one is not touched and nothing stays. The
 * last line is `N passed, N failed, N skipped`; exit status: 0 when cases ran and none failed.
 */
import { parseArgs } from "node:util";
import type { Report } from "../vm/guest/runner.ts";
import { buildAct, ROOT } from "../vm/pack.ts";
import { printFailures, total } from "../vm/summary.ts";

/** Milliseconds that all cases together may take. */
const LIMIT = 600_000;

const { values } = parseArgs({ options: { agent: { type: "string", default: `${ROOT}/dist/aegisbpf` } } });
if (Deno.uid() !== 0) {
  console.error("tests/host/run: needs root");
  Deno.exit(2);
}
// On disk for files, on tmpfs for the same cases there.
const disk = Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "aegisbpf-host-" });
const memory = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "aegisbpf-host-" });
let reports: Report[] = [];
try {
  for (const dir of [disk, memory]) Deno.chmodSync(dir, 0o755);
  await buildAct(disk);
  reports = await runCases();
  for (
    const [category, file] of [
      ["agent", "life.ts"],
      ["rollout", "rollout.ts"],
      ["signed", "signed.ts"],
      ["by hand", "by_hand.ts"],
      ["events", "events.ts"],
      ["fleet", "fleet.ts"],
      ["files", "files.ts"],
      ["following", "following.ts"],
    ] as const
  ) {
    reports.push(...await reportsOf(category, [], [`${ROOT}/tests/host/${file}`, "--agent", values.agent]));
  }
} finally {
  for (const dir of [disk, memory]) Deno.removeSync(dir, { recursive: true });
}
for (const { result, category, name, reason } of reports) {
  console.log(`${category}: ${name} ... ${result}${result === "skip" ? `: ${reason}` : ""}`);
}
printFailures(reports);
const sum = total(reports);
console.log(`${sum.pass} passed, ${sum.fail} failed, ${sum.skip} skipped`);
Deno.exit(sum.fail > 0 || sum.pass === 0 ? 1 : 0);

/** The catalogue's cases, with what they need to act. */
async function runCases(): Promise<Report[]> {
  const bpffs = `${disk}/bpffs`;
  Deno.mkdirSync(bpffs);
  return await reportsOf("host", ["sh", "-c", 'mount -t bpf bpf "$1" && shift && exec "$@"', "sh", bpffs], [
    ...[`${ROOT}/tests/vm/guest/main.ts`, "--kernel", "host", "--agent", values.agent],
    ...["--act", `${disk}/act`, "--nothing", `${disk}/nothing`, "--scratch", `${disk}/scratch`],
    ...["--ext4", `${disk}/files`, "--tmpfs", `${memory}/files`],
    ...["--phase", "tracepoint", "--backend", "tracepoint"],
  ], { AEGISBPF_ROOT: `${disk}/root`, AEGISBPF_BPFFS: bpffs });
}

/** What a script reports that runs in a mount namespace of its own, by way of a command that prepares it. */
async function reportsOf(
  category: string,
  by: readonly string[],
  script: readonly string[],
  env: Record<string, string> = {},
): Promise<Report[]> {
  const child = new Deno.Command("unshare", {
    args: [
      ...["--mount", "--propagation", "private", ...by],
      ...[Deno.execPath(), "run", "--quiet", "--allow-all", "--no-check", ...script],
    ],
    env,
    signal: AbortSignal.timeout(LIMIT),
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const { code, stdout } = await child.output();
  const found: Report[] = new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  if (code === 0 && found.length > 0) return found;
  const end = { phase: "tracepoint", backend: "tracepoint", category, name: "runs to its end" } as const;
  return [...found, { ...end, kernel: "host", lsm: "none", result: "fail", reason: `exit ${code}`, ms: 0 }];
}
