/**
 * Boots kernels with and without `bpf` in their LSM list, runs the catalogue in each guest and adds up the results.
 *
 *   tests/vm/run [--arch x86_64|aarch64 | --kernel K...] [--lsm bpf|none]... [--category C]... [--phase P]...
 *                [--agent PATH] [--jobs N] [--cpus N] [--race SECONDS]
 *
 * Kernels, and what runs on which unless something is asked for, are in guests.ts; by default those of x86_64. Two guests
 * run at a time; each test of a race goes on for 3 seconds, one in two guests for a minute (races.ts). In build/vm stay each guest's results (.jsonl), what it and
 * the agent said (.log) and, where something failed, its console. The last line is `N passed, N failed, N skipped`; exit
 * status: 0 when cases ran and none failed, 1 otherwise, 2 bad usage.
 */

import { basename, dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packForeign } from "./foreign.ts";
import type { Report } from "./guest/runner.ts";
import { type Arch, type Kernel, KERNELS, kernelsOf } from "./guests.ts";
import { pack, ROOT, type Share, WORK } from "./pack.ts";
import { printFailures, printTable, total } from "./summary.ts";

/** Seconds after which a guest hangs; one takes five minutes. */
const BOOT_LIMIT = 1200;

/** One guest. */
interface Boot {
  readonly name: string;
  readonly kernel: Kernel;
  readonly lsm: string;
  readonly share: Share;
}

const VM = resolve(import.meta.dirname ?? ".", "vm");
const options = parse();
const started = Date.now();
const shares = new Map<Arch, Share>();
const boots: Boot[] = [];
for (const [name, kernel] of options.kernels) {
  const share = shares.get(kernel.arch) ?? await packFor(kernel.arch);
  shares.set(kernel.arch, share);
  await command(VM, "kernels", "--arch", kernel.arch, kernel.version);
  for (const lsm of options.lsms ?? kernel.lsms) boots.push({ name, kernel, lsm, share });
}
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
async function run(boot: Boot): Promise<Report[]> {
  const name = `${boot.name}-${boot.lsm}`, before = Date.now();
  const at = `${WORK}/${name}`, console_ = `${at}.console`, results = `${at}.jsonl`, log = `${at}.log`;
  console.log(`${name}: booting`);
  const model = boot.kernel.models?.[boot.lsm];
  const child = new Deno.Command(VM, {
    args: words(boot),
    env: { VM_CONSOLE: console_, ...(model === undefined ? {} : { VM_CPU: model }) },
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
        kernel: boot.name,
        lsm: boot.lsm as Report["lsm"],
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

async function packFor(arch: Arch): Promise<Share> {
  if (arch !== Deno.build.arch) return await packForeign(arch, options.agent);
  return await pack(options.agent ?? `${ROOT}/dist/aegisbpf`);
}

/** What `vm` is called with. */
function words({ name, kernel, lsm, share }: Boot): string[] {
  // What is asked for runs also where it does not by default.
  const asked = options.phases.length + options.categories.length > 0;
  const { phases, categories } = asked ? options : { phases: [], categories: [], ...kernel };
  const cpus = options.cpus ?? String(kernel.cpus ?? 1);
  return [
    ...["run", "--arch", kernel.arch, "--kernel", kernel.version, "--lsm", lsm],
    ...[
      "--mem",
      "1024",
      "--timeout",
      String(BOOT_LIMIT),
      "--cpus",
      cpus,
      "--modules",
      "overlay,xfs,btrfs,loop",
    ],
    // Programs are translated anew where they stand at other addresses, which doubles the time that they take to start.
    ...["--append", "norandmaps", "--share", share.dir, "--packed", share.image, "--"],
    ...[
      "./deno",
      "run",
      "--quiet",
      "--allow-all",
      "--no-check",
      "--no-code-cache",
      "main.js",
      "--kernel",
      name,
    ],
    ...["--agent", share.agent, "--act", `${share.dir}/act`, "--nothing", `${share.dir}/nothing`],
    ...["--scratch", "/srv/scratch", "--race", options.race],
    ...(kernel.backend ? ["--backend", kernel.backend] : []),
    ...phases.flatMap((p) => ["--phase", p]),
    ...categories.flatMap((c) => ["--category", c]),
  ];
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
        ...{ kernel: many, lsm: many, category: many, phase: many, agent: { type: "string" } },
        arch: { type: "string", default: "x86_64" },
        jobs: { type: "string", default: "2" },
        cpus: { type: "string" },
        race: { type: "string", default: "3" },
      },
    });
    return {
      kernels: (values.kernel ?? kernelsOf(values.arch)).map((name): [string, Kernel] => [name, known(name)]),
      lsms: values.lsm,
      categories: values.category ?? [],
      phases: values.phase ?? [],
      ...(values.agent === undefined
        ? {}
        : { agent: resolve(dirname(values.agent), basename(values.agent)) }),
      jobs: Number(values.jobs),
      cpus: values.cpus,
      race: values.race,
    };
  } catch (error) {
    console.error(`run: ${error instanceof Error ? error.message : error}`);
    Deno.exit(2);
  }
}

function known(name: string): Kernel {
  const kernel = KERNELS[name];
  if (!kernel) throw new Error(`no kernel ${name} (${Object.keys(KERNELS).join(" ")})`);
  return kernel;
}
