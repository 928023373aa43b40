/**
 * Measures, on this machine's kernel by the `tracepoint` backend, as root: how long policies of the largest kind take to
 * be read and to come into force, how long a rollback takes, and what 50 policies leave in memory.
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

const { values } = parseArgs({
  options: { runs: { type: "string", default: "5" }, json: { type: "boolean", default: false } },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) {
  throw new Error(`Expected --runs to be a whole number, got ${values.runs}`);
}

const INODES = 100_000;
const PATHS = 10_000;
const ROLLBACKS = 100;
const APPLIES = 50;

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
const rows: Record<string, number> = {};
let serial = 0;

function policy(rules: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    `version: 1\nname: bench\nserial: ${++serial}\nmode: audit\nrules:\n${rules}`,
  );
}

/** Applies policies and says what each of the two steps cost. */
function measure(name: string, make: () => Uint8Array): void {
  const [reading, applying]: [Cost[], Cost[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    const bytes = make();
    let checked: ReturnType<typeof engine.check> | undefined;
    reading.push(cost(() => checked = engine.check(bytes, "/bench.yaml")));
    if (checked === undefined) throw new Error("Expected the policy to be good");
    const policy = checked;
    applying.push(cost(() => engine.apply(policy)));
  }
  for (const [step, costs] of [["read", reading], ["into force", applying]] as const) {
    for (const clock of ["wall", "cpu"] as const) {
      rows[`${name}, ${step} (ms ${clock})`] = quantile(costs.map((one) => one[clock]), 0.5);
    }
  }
}

const inode = () => `"8:1:${1000 + Math.floor(Math.random() * 1e9)}"`;
const many = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join("");

measure(
  `${INODES} inodes in one rule`,
  () => policy(`  - id: r\n    inodes:\n${many(INODES, () => `      - ${inode()}\n`)}`),
);
measure(
  `${INODES} rules of one inode`,
  () => policy(many(INODES, (i) => `  - {id: r${i}, inodes: [${inode()}]}\n`)),
);
const paths = Array.from({ length: PATHS }, (_, index) => {
  const folder = `${host.folder}/d${Math.floor(index / 100)}`;
  if (index % 100 === 0) Deno.mkdirSync(folder);
  Deno.writeTextFileSync(`${folder}/f${index}`, "");
  return `${folder}/f${index}`;
});
const pathRules = () => policy(many(PATHS, (i) => `  - {id: p${i}, paths: [${paths[i]}]}\n`));
measure(`${PATHS} rules of one path`, pathRules);

const rollout = new Rollout({
  engine,
  store: host.store,
  state: host.places.state,
  anchor,
  log: () => {},
  reverted: () => {},
});
const small = () => policy(many(100, (i) => `  - {id: p${i}, paths: [${paths[i]}]}\n`));
const pair = [small(), small()];
for (const bytes of pair) rollout.apply({ bytes, file: "/bench.yaml" }, {});
const back = Array.from(
  { length: ROLLBACKS },
  (_, turn) => cost(() => rollout.rollback(serial - 1 + turn % 2)),
);
rows[`rollback of 100 path rules, p99 of ${ROLLBACKS} (ms wall)`] = quantile(
  back.map(({ wall }) => wall),
  0.99,
);
rows[`rollback of 100 path rules, p99 of ${ROLLBACKS} (ms cpu)`] = quantile(back.map(({ cpu }) => cpu), 0.99);

/** Resident memory of this process, and memory that the kernel charges for the maps, in MiB. */
async function memory(): Promise<{ readonly resident: number; readonly maps: number }> {
  // What is collected is given back to the system some time later.
  for (let pass = 0; pass < 5; pass++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { maps } = await readKernel(host.state);
  const bytes = maps.reduce((sum, map) => sum + (map.bytes ?? 0), 0);
  return { resident: Deno.memoryUsage().rss / 2 ** 20, maps: bytes / 2 ** 20 };
}

const apply = () => rollout.apply({ bytes: pathRules(), file: "/bench.yaml" }, {});
for (let turn = 0; turn < 5; turn++) apply();
const before = await memory();
for (let turn = 0; turn < APPLIES; turn++) apply();
const after = await memory();
for (const kind of ["resident", "maps"] as const) {
  rows[`${kind} before ${APPLIES} policies of ${PATHS} paths (MiB)`] = before[kind];
  rows[`${kind} after them (MiB)`] = after[kind];
}

const folder = new URL("../../build/bench/", import.meta.url);
Deno.mkdirSync(folder, { recursive: true });
Deno.writeTextFileSync(new URL("apply.json", folder), JSON.stringify(rows, null, 2) + "\n");
if (values.json) console.log(JSON.stringify(rows));
else for (const [name, value] of Object.entries(rows)) console.log(`${name.padEnd(60)} ${value.toFixed(1)}`);
