/**
 * Breaks the decision in bpf/ in the ways of mutants.ts and runs, in guests of one kernel, the case that must notice each.
 *
 *   tests/mutation/run [--kernel 6.1] [--lsm bpf|none] [--jobs 2] [--only NAME]... [--check]
 *
 * A mutant whose text no longer stands in bpf/, that does not compile, with which the agent does not start, or with
 * which its case passes, is a failure, and so is a case that fails without one. --check only applies and compiles. The
 * last line is `N passed, N failed, N skipped`; exit status: 0 when none failed, 1 otherwise, 2 bad usage.
 */

import { parseArgs } from "node:util";
import { catalogue } from "../vm/cases/catalogue.ts";
import { bundleAgent, compileObject, fill, finish, ROOT, tool } from "../vm/pack.ts";
import type { Outcome } from "./guest.ts";
import { type Mutant, MUTANTS } from "./mutants.ts";

const WORK = `${ROOT}/build/mutation`;
const SHARE = `${WORK}/share`;
const OBJECTS = `${WORK}/objects`;
/** Seconds that one guest may take. */
const BOOT_LIMIT = 600;

const options = parse();
const chosen = MUTANTS.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
await Deno.remove(WORK, { recursive: true }).catch(() => {});
await Deno.mkdir(OBJECTS, { recursive: true });
await tool(`${ROOT}/scripts/build`, ["bpf"]);
await Deno.copyFile(`${ROOT}/build/aegis.bpf.o`, `${OBJECTS}/unbroken.o`);
const broken = await inTurns(chosen, compiled);
let failed = chosen.filter((_, i) => !report(chosen[i] as Mutant, broken[i])).length;
let passed = chosen.length - failed;
if (!options.check && failed === 0) {
  await pack();
  const parts = Array.from(
    { length: options.jobs },
    (_, job) => chosen.filter((_, i) => i % options.jobs === job),
  );
  const outcomes = (await Promise.all(parts.filter((part) => part.length > 0).map(boot))).flat();
  failed = chosen.filter((mutant) => !report(mutant, verdictOf(mutant, outcomes))).length;
  passed = chosen.length - failed;
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
Deno.exit(failed > 0 || passed === 0 ? 1 : 0);

/** Applies a mutant to a copy of bpf/ and compiles it; answers what is wrong. */
async function compiled(mutant: Mutant): Promise<string | undefined> {
  const { category, name } = mutant.caught;
  if (!catalogue.some((one) => one.category === category && one.name === name)) {
    return `there is no case ${category}: ${name}`;
  }
  const id = MUTANTS.indexOf(mutant), copy = `${WORK}/source/${id}`;
  await Deno.mkdir(copy, { recursive: true });
  await tool("cp", ["-r", `${ROOT}/bpf`, copy]);
  for (const { file, find, put } of mutant.edits) {
    const text = await Deno.readTextFile(`${copy}/bpf/${file}`);
    const found = text.split(find).length - 1;
    if (found !== 1) return `bpf/${file} has ${found} times, not once: ${find}`;
    // A function, or `$` would have a meaning.
    await Deno.writeTextFile(`${copy}/bpf/${file}`, text.replace(find, () => put));
  }
  try {
    await compileObject(copy, `${OBJECTS}/${id}.o`);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function pack(): Promise<void> {
  await fill(SHARE, `${ROOT}/tests/mutation/guest.ts`);
  await bundleAgent(`${SHARE}/agent`, `${SHARE}/deno`);
  await tool("cp", ["-r", OBJECTS, `${SHARE}/objects`]);
  await finish(SHARE, `${WORK}/share.img`);
}

/** Tries some mutants in one guest. */
async function boot(mutants: readonly Mutant[]): Promise<Outcome[]> {
  const ids = mutants.map((mutant) => String(MUTANTS.indexOf(mutant)));
  const { stdout, stderr, code } = await new Deno.Command(`${ROOT}/tests/vm/vm`, {
    args: [
      ...["run", "--kernel", options.kernel, "--lsm", options.lsm, "--mem", "1024", "--append", "norandmaps"],
      ...["--timeout", String(BOOT_LIMIT), "--modules", "overlay,xfs,btrfs,loop"],
      ...["--share", SHARE, "--packed", `${WORK}/share.img`, "--"],
      ...["./deno", "run", "--quiet", "--allow-all", "--no-check", "--no-code-cache", "main.js"],
      ...[options.kernel, ...ids],
    ],
    stdin: "null",
  }).output();
  if (code !== 0) {
    console.error(`the guest ended with ${code}: ${new TextDecoder().decode(stderr).slice(-2000)}`);
  }
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("{")).map((line) =>
    JSON.parse(line)
  );
}

/** What is wrong with how a mutant was caught, if anything is. */
function verdictOf(mutant: Mutant, outcomes: readonly Outcome[]): string | undefined {
  const id = MUTANTS.indexOf(mutant);
  const without = outcomes.find((one) => one.mutant === id && !one.broken);
  const outcome = outcomes.find((one) => one.mutant === id && one.broken);
  if (without?.result !== "pass") return `its case does not pass unbroken: ${without?.reason ?? "no result"}`;
  if (!outcome) return "no result";
  if (outcome.unready) return `the agent did not get as far as the case: ${outcome.reason}`;
  if (outcome.result !== "fail") return `not caught: ${mutant.caught.category}: ${mutant.caught.name}`;
}

function report(mutant: Mutant, wrong: string | undefined): boolean {
  if (wrong !== undefined) console.log(`FAILED ${mutant.name}: ${wrong}`);
  else if (!options.check) console.log(`ok ${mutant.name}`);
  return wrong === undefined;
}

/** Two at a time. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = [...items.entries()];
  await Promise.all(Array.from({ length: 2 }, async () => {
    for (let next = left.shift(); next; next = left.shift()) results[next[0]] = await work(next[1]);
  }));
  return results;
}

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        kernel: { type: "string", default: "6.1" },
        lsm: { type: "string", default: "bpf" },
        jobs: { type: "string", default: "2" },
        only: { type: "string", multiple: true, default: [] },
        check: { type: "boolean", default: false },
      },
    });
    return { ...values, jobs: Number(values.jobs) };
  } catch (error) {
    console.error(`run: ${error instanceof Error ? error.message : error}`);
    Deno.exit(2);
  }
}
