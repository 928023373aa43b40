import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { isOfRuleOnly, readFlows, readRuleCounts, readTotals } from "./counters.ts";
import { fileEntry } from "./entries.ts";
import { beginEpoch, FlowArchive } from "./flow_epochs.ts";
import { ACTION, FLOW_KEY, OP } from "./layout.ts";
import { fillIdleSet, switchTo } from "./sets.ts";
import type { Maps } from "./state.ts";
import { AUDIT_READS, LABEL, TestKernel } from "./test_support.ts";

/** Files that rule 7 watches. */
function watchFiles(kernel: TestKernel, ...names: string[]): string[] {
  const builder = kernel.builder();
  const rule = builder.addRule({ ...AUDIT_READS, number: 7 });
  const paths = names.map((name) => kernel.file(name));
  for (const path of paths) builder.add(fileEntry(kernel.identityOf(path), rule));
  const set = builder.build();
  switchTo(kernel.state, fillIdleSet(kernel.state, set, LABEL), set);
  return paths;
}

/** As an agent does that begins with this. */
function takeOutFlows(maps: Maps, epoch: number, maxPast?: number): Uint8Array {
  return new FlowArchive(maps, maxPast).takeOut(epoch);
}

function openAll(paths: readonly string[]): void {
  for (const path of paths) Deno.readTextFileSync(path);
}

function sumOf(kernel: TestKernel): bigint {
  return [...readTotals(kernel.state.maps)].reduce((sum, { total }) => sum + total, 0n);
}

Deno.test("beginEpoch() makes flows count in the other map", () => {
  using kernel = new TestKernel();
  const { maps, control } = kernel.state;
  const paths = watchFiles(kernel, "one");
  openAll(paths);
  beginEpoch(kernel.state);
  strictEqual(control.epoch, 1);
  openAll([...paths, ...paths]);
  deepStrictEqual([...readFlows(maps)].map(({ total }) => total), [1n, 2n]);
  strictEqual([...maps.flows_odd.keys()].length, 1);
  beginEpoch(kernel.state);
  openAll(paths);
  deepStrictEqual([...readFlows(maps)].map(({ total }) => total), [2n, 2n]);
});

Deno.test("takeOut() keeps the count of each flow", () => {
  using kernel = new TestKernel();
  const { maps } = kernel.state;
  const [one = "", two = ""] = watchFiles(kernel, "one", "two");
  for (let epoch = 0; epoch < 4; epoch++) {
    openAll([one, two, two]);
    beginEpoch(kernel.state);
    strictEqual(takeOutFlows(maps, epoch).length, 2 * FLOW_KEY.SIZE);
  }
  strictEqual([...readFlows(maps)].length, 0);
  const totals = [...readTotals(maps)].map(({ file, total }) => ({ ino: file.ino, total }));
  deepStrictEqual(totals.sort((a, b) => Number(a.total - b.total)), [
    { ino: kernel.identityOf(one).ino, total: 4n },
    { ino: kernel.identityOf(two).ino, total: 8n },
  ]);
  deepStrictEqual(readRuleCounts(maps), [{ rule: 7, op: OP.READ, action: ACTION.AUDIT, count: 12n }]);
});

Deno.test("takeOut() counts nothing twice when the agent before died in the middle of it", () => {
  for (const maxPast of [10, 1, 0]) {
    using kernel = new TestKernel();
    const { maps } = kernel.state;
    openAll(watchFiles(kernel, "one", "two", "three"));
    beginEpoch(kernel.state);
    const flows = [...maps.flows.entries()];
    takeOutFlows(maps, 0, maxPast);
    strictEqual(sumOf(kernel), 3n);
    // What was not yet removed when it died.
    for (const [key, value] of flows.slice(1)) maps.flows.update(key, value);
    takeOutFlows(maps, 0, maxPast);
    strictEqual(sumOf(kernel), 3n, `${maxPast}`);
  }
});

Deno.test("takeOut() sums by rule what there is no more room for", () => {
  using kernel = new TestKernel();
  const { maps } = kernel.state;
  const paths = watchFiles(kernel, "one", "two", "three");
  for (let epoch = 0; epoch < 3; epoch++) {
    openAll(paths);
    beginEpoch(kernel.state);
    takeOutFlows(maps, epoch, 1);
  }
  const totals = [...readTotals(maps)];
  deepStrictEqual(
    totals.map((total) => [isOfRuleOnly(total), total.rule, total.total]).sort(),
    [[false, 7, 3n], [true, 7, 6n]],
  );
});

Deno.test("no count is lost or doubled while flows are taken out under a stream of opens", async () => {
  using kernel = new TestKernel();
  const { maps, control } = kernel.state;
  const paths = watchFiles(kernel, "one", "two");
  const opens = 20_000;
  const script = `i=0; while [ $i -lt ${opens / 2} ]; do : <"$1"; : <"$2"; i=$((i+1)); done`;
  const children = [0, 1].map(() =>
    new Deno.Command("dash", { args: ["-c", script, "dash", ...paths] }).spawn()
  );
  let running = true;
  const ended = Promise.all(children.map(({ status }) => status)).then(() => running = false);
  while (running) {
    const { epoch } = control;
    beginEpoch(kernel.state);
    takeOutFlows(maps, epoch);
    await new Promise((resolve) => setTimeout(resolve));
  }
  await ended;
  strictEqual(sumOf(kernel), BigInt(2 * opens));
});
