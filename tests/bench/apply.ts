/**
 * Measures, on this machine's kernel by the `tracepoint` backend, as root: how long policies of growing size take to be
 * read, to come into force and to be rolled back, what they hold in the kernel, and what 50 of them leave in memory.
 *
 *   tests/bench/apply [--runs N] [--json]
 *
 * Times are medians of N runs, of the clock and of the processor: on a machine that is busy with other things only the
 * second says something. `into force` is all from the checked policy to the store that switches: looking at paths,
 * keeping, filling, reading back. The rows are left in build/bench/apply.json.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { Anchor } from "../../src/kernel/anchor.ts";
import { Rollout } from "../../src/agent/rollout.ts";
import { TestInstallation } from "../../src/agent/test_support.ts";
import { readKernel } from "../../src/metrics/kernel_reading.ts";
import { leave, type Row } from "./rows.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "3" }, json: { type: "boolean", default: false } },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) {
  throw new Error(`Expected --runs to be a whole number, got ${values.runs}`);
}

const LARGEST = 100_000;
const PATHS = [1, 100, 1000, 10_000];
const ROLLBACKS = 100;
/** Policies of how many paths are applied to see whether memory grows. */
const [APPLIES, APPLIED_PATHS] = [50, 2000];

interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

function cost(action: () => void): Cost {
  const [started, before] = [performance.now(), process.cpuUsage()];
  action();
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - started, cpu: (user + system) / 1000 };
}

function quantile(numbers: readonly number[], of: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * of))] ?? NaN;
}

using host = new TestInstallation();
using anchor = Anchor.open(host.pins.folder);
const engine = host.engine();
const rows: Row[] = [];
let serial = 0;

function policy(rules: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    `version: 1\nname: bench\nserial: ${++serial}\nmode: audit\nrules:\n${rules}`,
  );
}

function addTimes(key: string, text: string, costs: readonly Cost[], of = 0.5): void {
  rows.push(
    { key: `${key}/wall`, text, value: quantile(costs.map(({ wall }) => wall), of), unit: "ms" },
    {
      key: `${key}/cpu`,
      text: `${text}, processor time`,
      value: quantile(costs.map(({ cpu }) => cpu), of),
      unit: "ms",
    },
  );
}

/** Applies policies and says what each of the two steps cost, and what the last one holds in the kernel. */
async function measure(key: string, text: string, make: () => Uint8Array): Promise<void> {
  const [reading, applying]: [Cost[], Cost[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    const bytes = make();
    let checked: ReturnType<typeof engine.check> | undefined;
    reading.push(cost(() => checked = engine.check(bytes, "/bench.yaml")));
    if (checked === undefined) throw new Error("Expected the policy to be good");
    const policy = checked;
    applying.push(cost(() => engine.apply(policy)));
  }
  addTimes(`${key}/read`, `${text}: reading it`, reading);
  addTimes(`${key}/apply`, `${text}: into force`, applying);
  rows.push({
    key: `${key}/kernel`,
    text: `${text}: memory of all maps`,
    value: await mapsMib(),
    unit: "MiB",
  });
}

async function mapsMib(): Promise<number> {
  const { maps } = await readKernel(host.state);
  return maps.reduce((sum, map) => sum + (map.bytes ?? 0), 0) / 2 ** 20;
}

const inode = () => `"8:1:${1000 + Math.floor(Math.random() * 1e9)}"`;
const many = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join("");
const paths = Array.from({ length: PATHS.at(-1) ?? 0 }, (_, index) => {
  const folder = `${host.folder}/d${Math.floor(index / 100)}`;
  if (index % 100 === 0) Deno.mkdirSync(folder);
  Deno.writeTextFileSync(`${folder}/f${index}`, "");
  return `${folder}/f${index}`;
});
const pathRules = (count: number) => policy(many(count, (i) => `  - {id: p${i}, paths: [${paths[i]}]}\n`));

for (const count of PATHS) {
  const text = count === 1 ? "1 rule of one path" : `${count.toLocaleString("en")} rules of one path`;
  await measure(`paths/${count}`, text, () => pathRules(count));
}
await measure(
  `inodes/${LARGEST}`,
  "100,000 inodes in one rule",
  () => policy(`  - id: r\n    inodes:\n${many(LARGEST, () => `      - ${inode()}\n`)}`),
);
await measure(
  `rules/${LARGEST}`,
  "100,000 rules of one inode",
  () => policy(many(LARGEST, (i) => `  - {id: r${i}, inodes: [${inode()}]}\n`)),
);

const rollout = new Rollout({
  engine,
  store: host.store,
  state: host.places.state,
  anchor,
  log: () => {},
  reverted: () => {},
});
for (const [count, times] of [[100, ROLLBACKS], [10_000, runs + 1]] as const) {
  for (const bytes of [pathRules(count), pathRules(count)]) {
    rollout.apply({ bytes, file: "/bench.yaml" }, {});
  }
  const newest = serial;
  const back = Array.from(
    { length: times },
    (_, turn) => cost(() => rollout.rollback(newest - 1 + turn % 2)),
  );
  const [of, name] = times === ROLLBACKS ? [0.99, `p99 of ${ROLLBACKS}`] : [0.5, "median"];
  addTimes(`rollback/${count}`, `rollback of ${count.toLocaleString("en")} path rules, ${name}`, back, of);
}

/** Resident memory of this process, and memory that the kernel charges for the maps, in MiB. */
async function memory(): Promise<{ readonly resident: number; readonly maps: number }> {
  // What is collected is given back to the system some time later.
  for (let pass = 0; pass < 5; pass++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { resident: Deno.memoryUsage().rss / 2 ** 20, maps: await mapsMib() };
}

const apply = () => rollout.apply({ bytes: pathRules(APPLIED_PATHS), file: "/bench.yaml" }, {});
for (let turn = 0; turn < 5; turn++) apply();
const before = await memory();
for (let turn = 0; turn < APPLIES; turn++) apply();
const after = await memory();
const these = `${APPLIES} policies of ${APPLIED_PATHS.toLocaleString("en")} paths`;
for (const [kind, text] of [["resident", "resident memory"], ["maps", "memory of all maps"]] as const) {
  const baseline = `before/${kind}`;
  rows.push(
    { key: baseline, text: `${text} before ${these}`, value: before[kind], unit: "MiB" },
    { key: `after/${kind}`, text: `${text} after them`, value: after[kind], unit: "MiB", baseline },
  );
}
Deno.exitCode = leave("apply", rows, values.json);
