/**
 * Runs benchmarks one after the other, records what they measure in tests/bench/results.json, and makes what documents
 * show of it anew: numbers, tables, and the plots in docs/plots.
 *
 *   scripts/bench [NAME]... [--json] [--documents]
 *
 * NAME is open-cost, workload, apply, events or start-up; without one all run, which takes half an hour, the last three
 * four minutes. What is not run keeps what was recorded of it. Prints one table (or, with --json, what is recorded) and
 * exits 1 when a row misses its limit, 2 when a benchmark failed. --documents runs none.
 */
import { cpus, loadavg, release } from "node:os";
import { parseArgs } from "node:util";
import { ROOT, tool } from "../vm/pack.ts";
import { plots } from "./blocks.ts";
import { written } from "./pages.ts";
import { svg } from "./plot.ts";
import { type Measured, readResults, type Results, writeResults } from "./results.ts";
import { missed, type Row, table, WORK } from "./rows.ts";

/** With what each benchmark is run, in this order. */
const BENCHMARKS: Readonly<Record<string, readonly string[]>> = {
  "start-up": [],
  "apply": [],
  "events": [],
  "open-cost": ["5.10", "6.1", "6.12", "7.3"].flatMap((kernel) => ["--kernel", kernel]).concat("--grow"),
  "workload": [],
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    documents: { type: "boolean", default: false },
  },
});
const unknown = positionals.filter((name) => !(name in BENCHMARKS));
if (unknown.length > 0) {
  console.error(`No benchmark is called ${unknown[0]}: expected ${Object.keys(BENCHMARKS).join(", ")}`);
  Deno.exit(2);
}
const chosen = Object.keys(BENCHMARKS).filter((name) =>
  !values.documents && (positionals.length === 0 || positionals.includes(name))
);

const failed: string[] = [];
for (const name of chosen) {
  const measured = await measure(name);
  if (measured === undefined) failed.push(name);
  else writeResults({ ...readResults(), [name]: measured });
}
const results = readResults();
await writeDocuments(results);
if (values.json) console.log(JSON.stringify(results, null, 2));
else for (const name of chosen.filter((name) => !failed.includes(name))) print(name, results);
for (const name of failed) console.error(`${name} failed: what was recorded of it before stays`);
const misses = chosen.flatMap((name) => {
  const rows = results[name]?.rows ?? [];
  return rows.filter((row) => missed(row, rows) !== undefined);
});
Deno.exit(failed.length > 0 ? 2 : misses.length > 0 ? 1 : 0);

/** Runs one; undefined when it failed. */
async function measure(name: string): Promise<Measured | undefined> {
  console.error(`==> ${name}`);
  const file = `${WORK}/${name}.json`;
  await Deno.remove(file).catch(() => {});
  const [load = NaN] = loadavg(), at = new Date().toISOString();
  // Its exit status says whether limits are held, which is told at the end.
  await new Deno.Command(`${ROOT}/tests/bench/${name}`, {
    args: [...BENCHMARKS[name] ?? [], "--json"],
    ...{ stdin: "null", stdout: "null", stderr: "inherit" },
  }).output();
  const rows: Row[] | undefined = await Deno.readTextFile(file).then(JSON.parse, () => undefined);
  if (rows === undefined) return undefined;
  const [{ model } = { model: "" }] = cpus();
  const machine = { kernel: release(), cpu: model.trim(), cores: cpus().length };
  return { at, commit: await commit(), machine, load, rows };
}

async function commit(): Promise<string> {
  const git = async (...args: string[]) => {
    const { stdout } = await new Deno.Command("git", { args: ["-C", ROOT, ...args], stderr: "null" })
      .output();
    return new TextDecoder().decode(stdout).trim();
  };
  const changed = await git("status", "--porcelain", "--", "bpf", "ffi", "src", "tests/bench/*.ts");
  return `${await git("rev-parse", "--short", "HEAD")}${changed === "" ? "" : "+"}`;
}

function print(name: string, results: Results): void {
  const { rows, load } = results[name] ?? { rows: [], load: 0 };
  console.log(`\n${name}, load before it ${load.toFixed(1)}\n${table(rows)}`);
}

async function writeDocuments(results: Results): Promise<void> {
  const pages = ["README.md"];
  for (const { name } of Deno.readDirSync(`${ROOT}/docs`)) {
    if (name.endsWith(".md")) pages.push(`docs/${name}`);
  }
  const changed: string[] = [];
  for (const page of pages) {
    const before = await Deno.readTextFile(`${ROOT}/${page}`);
    const after = written(before, results);
    if (after === before) continue;
    await Deno.writeTextFile(`${ROOT}/${page}`, after);
    changed.push(`${ROOT}/${page}`);
  }
  await Deno.mkdir(`${ROOT}/docs/plots`, { recursive: true });
  for (const [file, plot] of Object.entries(plots(results))) {
    await Deno.writeTextFile(`${ROOT}/docs/plots/${file}`, svg(plot));
  }
  if (changed.length > 0) await tool(Deno.execPath(), ["fmt", "--quiet", ...changed]);
}
