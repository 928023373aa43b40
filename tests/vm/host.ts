/**
 * Boots each kernel with and without `bpf` in its LSM list, runs the catalogue in each guest and adds up the results.
 *
 *   tests/vm/run [--kernel K]... [--lsm bpf|none]... [--category C]... [--phase P]... [--agent PATH] [--jobs N]
 *                [--cpus N] [--race SECONDS]
 *
 * Two guests run at a time by default, of one CPU each; each test of a race goes on for 6 seconds. In build/vm stay each guest's results (.jsonl), what it and the agent said (.log) and, where
 * something failed, its console. The last line is `N passed, N failed, N skipped`; exit status: 0 when cases ran and none failed,
 * 1 otherwise, 2 bad usage.
 */

import { basename, dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Report } from "./guest/runner.ts";
import { pack, ROOT, WORK } from "./pack.ts";
import { printFailures, printTable, total } from "./summary.ts";

/** Seconds that one guest may take. */
const BOOT_LIMIT = 1500;

/** One guest. */
interface Boot {
  readonly kernel: string;
  readonly lsm: string;
}

const VM = resolve(import.meta.dirname ?? ".", "vm");
const options = parse();
const started = Date.now();
const share = await pack(options.agent);
await command(VM, "kernels", ...options.kernels);
const boots = options.kernels.flatMap((kernel) => options.lsms.map((lsm) => ({ kernel, lsm })));
const reports: Report[] = [];
const children = new Set<Deno.ChildProcess>();
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.addSignalListener(signal, () => {
    for (const child of children) child.kill("SIGTERM");
    Deno.exit(1);
  });
}
const waiting = [...boots];
await Promise.all(Array.from({ length: options.jobs }, async () => {
  for (let next = waiting.shift(); next; next = waiting.shift()) reports.push(...await run(next));
}));
printTable(reports);
printFailures(reports);
const sum = total(reports);
console.log(`${boots.length} boots in ${Math.round((Date.now() - started) / 1000)} s`);
console.log(`${sum.pass} passed, ${sum.fail} failed, ${sum.skip} skipped`);
Deno.exit(sum.fail > 0 || sum.pass === 0 ? 1 : 0);

/** Runs one guest; a guest that dies or is cut off is a failure of its own. */
async function run({ kernel, lsm }: Boot): Promise<Report[]> {
  const name = `${kernel}-${lsm}`, before = Date.now();
  const at = `${WORK}/${name}`, console_ = `${at}.console`, results = `${at}.jsonl`, log = `${at}.log`;
  console.log(`${name}: booting`);
  const words = [
    ...options.phases.flatMap((p) => ["--phase", p]),
    ...options.categories.flatMap((c) => ["--category", c]),
  ];
  const child = new Deno.Command(VM, {
    args: [
      ...["run", "--kernel", kernel, "--lsm", lsm, "--mem", "1024", "--timeout", String(BOOT_LIMIT)],
      // Programs are translated anew where they stand at other addresses, which doubles the time that they take to start.
      ...["--modules", "overlay,xfs,btrfs,loop", "--cpus", options.cpus, "--append", "norandmaps"],
      ...["--share", share.dir, "--packed", share.image, "--"],
      ...[
        "./deno",
        "run",
        "--quiet",
        "--allow-all",
        "--no-check",
        "--no-code-cache",
        "main.js",
        "--kernel",
        kernel,
      ],
      ...["--agent", share.agent, "--act", `${share.dir}/act`, "--nothing", `${share.dir}/nothing`],
      ...["--scratch", "/srv/scratch", "--race", options.race, ...words],
    ],
    env: { VM_CONSOLE: console_ },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  children.add(child);
  // As they come, so that a guest that is cut off has left what it had.
  const [{ code }] = await Promise.all([child.status, save(child.stdout, results), save(child.stderr, log)]);
  children.delete(child);
  const found: Report[] = read(results).split("\n").filter((line) => line.startsWith("{")).map((line) =>
    JSON.parse(line)
  );
  if (code !== 0 || found.length === 0) {
    found.push({
      ...{
        kernel,
        lsm: lsm as Report["lsm"],
        phase: "alone",
        backend: "-",
        category: "guest",
        name: "runs to its end",
      },
      ...{ result: "fail", reason: `exit ${code}: ${read(log).slice(-1500)}`, ms: Date.now() - before },
    });
  }
  const { pass, fail, skip } = total(found);
  console.log(
    `${name}: ${pass} passed, ${fail} failed, ${skip} skipped in ${
      Math.round((Date.now() - before) / 1000)
    } s`,
  );
  if (fail === 0) await Deno.remove(console_).catch(() => {});
  return found;
}

async function save(stream: ReadableStream<Uint8Array>, path: string): Promise<void> {
  await stream.pipeTo((await Deno.create(path)).writable);
}

function read(path: string): string {
  return Deno.readTextFileSync(path);
}

async function command(program: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${basename(program)} ${args.join(" ")} failed`);
}

function parse() {
  const many = { type: "string", multiple: true } as const;
  try {
    const { values } = parseArgs({
      options: {
        ...{ kernel: many, lsm: many, category: many, phase: many },
        agent: { type: "string", default: `${ROOT}/dist/aegisbpf` },
        jobs: { type: "string", default: "2" },
        cpus: { type: "string", default: "1" },
        race: { type: "string", default: "6" },
      },
    });
    return {
      kernels: values.kernel ?? ["5.10", "6.1", "6.12", "7.3"],
      lsms: values.lsm ?? ["bpf", "none"],
      categories: values.category ?? [],
      phases: values.phase ?? [],
      agent: resolve(dirname(values.agent), basename(values.agent)),
      jobs: Number(values.jobs),
      cpus: values.cpus,
      race: values.race,
    };
  } catch (error) {
    console.error(`run: ${error instanceof Error ? error.message : error}`);
    Deno.exit(2);
  }
}
