import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { probeCanary } from "./canary.ts";
import type { SetIndex } from "./control.ts";
import { cgroupEntry, fileEntry, leafEntry, placeEntry, subtreeEntry } from "./entries.ts";
import { AEGIS, KEY } from "./layout.ts";
import { LiveSet } from "./live_set.ts";
import { identityTail, readEntry, readKey, viewOf, writeKey } from "./packed.ts";
import { entriesOf } from "./sets.ts";
import { identity, TestKernel } from "./test_support.ts";

/** The rule that every set of these tests begins with. */
const CANARY_RULE = 0;

/** All entries of the live set but the canary's, as text in a fixed order. */
function entriesIn({ state }: TestKernel): string[] {
  using entries = entriesOf(state, state.control.liveIndex());
  return [...entries?.entries() ?? []].map(([key, value]) => {
    const { kind, a, b, slot } = readKey(viewOf(key));
    const { rule, node, mask } = readEntry(viewOf(value));
    return `${kind}:${a}:${b}#${slot} ${rule} ${node} ${mask}`;
  }).filter((text) => !text.endsWith(" 0 0 0")).sort();
}

function liveSetOf({ state }: TestKernel, known: Iterable<string> = []): LiveSet {
  return new LiveSet(state, state.control.liveIndex(), known);
}

Deno.test("LiveSet adds rules of one file to slots without a hole", () => {
  using kernel = new TestKernel();
  using live = liveSetOf(kernel);
  for (const rule of [5, 3, 8]) live.add(fileEntry(identity(7n), rule));
  strictEqual(live.added, 3);
  const tail = identityTail(identity(7n));
  deepStrictEqual(entriesIn(kernel), [`1:7:${tail}#0 5 0 0`, `1:7:${tail}#1 3 0 0`, `1:7:${tail}#2 8 0 0`]);
});

Deno.test("LiveSet adds nothing when an entry is there, whoever put it there", () => {
  using kernel = new TestKernel();
  const entries = [fileEntry(identity(7n), 5), placeEntry(identity(8n), 3), cgroupEntry(9n, 6n)];
  {
    using live = liveSetOf(kernel);
    for (const entry of [...entries, ...entries]) live.add(entry);
    strictEqual(live.added, 3);
  }
  const before = entriesIn(kernel);
  using other = liveSetOf(kernel);
  for (const entry of entries) other.add(entry);
  other.add(cgroupEntry(9n, 2n));
  strictEqual(other.added, 0);
  deepStrictEqual(entriesIn(kernel), before);
});

Deno.test("LiveSet takes an entry out and leaves no hole, and can add it again", () => {
  using kernel = new TestKernel();
  using live = liveSetOf(kernel);
  const [first, second, third] = [5, 3, 8].map((rule) => subtreeEntry(identity(7n), rule));
  if (!first || !second || !third) throw new TypeError("Expected three entries");
  for (const entry of [first, second, third]) live.add(entry);
  const tail = identityTail(identity(7n));
  live.remove(first);
  live.remove(first);
  deepStrictEqual(entriesIn(kernel), [`3:7:${tail}#0 8 0 0`, `3:7:${tail}#1 3 0 0`]);
  live.remove(second);
  live.remove(third);
  deepStrictEqual(entriesIn(kernel), []);
  live.add(second);
  deepStrictEqual(entriesIn(kernel), [`3:7:${tail}#0 3 0 0`]);
});

Deno.test("LiveSet merges masks into what is there", () => {
  using kernel = new TestKernel();
  using live = liveSetOf(kernel);
  live.add(cgroupEntry(9n, 1n));
  live.add(cgroupEntry(9n, 1n << 63n));
  deepStrictEqual(entriesIn(kernel), [`8:9:0#0 ${AEGIS.NO_RULE} 0 ${1n << 63n | 1n}`]);
  strictEqual(live.added, 2);
});

Deno.test("LiveSet sets the live bits that an entry needs when its set is in force", () => {
  using kernel = new TestKernel();
  const { control } = kernel.state;
  using live = liveSetOf(kernel);
  live.add(fileEntry(identity(7n), 5));
  strictEqual(control.live & ~AEGIS.LIVE_SET, 0);
  live.add(subtreeEntry(identity(8n), 5));
  strictEqual(control.live & ~AEGIS.LIVE_SET, AEGIS.LIVE_SUBTREES);
  strictEqual(live.live, AEGIS.LIVE_SUBTREES);
});

Deno.test("LiveSet leaves the live word alone when its set is not in force", () => {
  using kernel = new TestKernel();
  const { control } = kernel.state;
  const index = control.liveIndex();
  using live = liveSetOf(kernel);
  control.live = index ^ 1;
  live.add(subtreeEntry(identity(8n), 5));
  strictEqual(control.live, index ^ 1);
  strictEqual(live.live, AEGIS.LIVE_SUBTREES);
});

Deno.test("LiveSet skips what it was told to be known", () => {
  using kernel = new TestKernel();
  const builder = kernel.builder();
  builder.add(leafEntry(3, 5n, 1, true));
  using live = liveSetOf(kernel, builder.build().known);
  live.add(leafEntry(3, 5n, 1, true));
  strictEqual(live.added, 0);
  deepStrictEqual(entriesIn(kernel), []);
});

Deno.test("LiveSet covers a file from the moment it is added", () => {
  using kernel = new TestKernel();
  const path = kernel.file("second canary");
  using live = liveSetOf(kernel);
  deepStrictEqual(probeCanary(kernel.state, path), { state: "opened", seen: false });
  live.add(fileEntry(kernel.identityOf(path), CANARY_RULE));
  deepStrictEqual(probeCanary(kernel.state, path), { state: "opened", seen: true });
});

Deno.test("LiveSet stops at the last slot of a file", () => {
  using kernel = new TestKernel();
  using live = liveSetOf(kernel);
  for (let rule = 1; rule <= AEGIS.SLOTS + 2; rule++) live.add(fileEntry(identity(7n), rule));
  strictEqual(live.added, AEGIS.SLOTS);
  using entries = entriesOf(kernel.state, kernel.state.control.liveIndex());
  const key = new Uint8Array(KEY.SIZE);
  writeKey(viewOf(key), 0, { ...fileEntry(identity(7n), 1), slot: AEGIS.SLOTS });
  strictEqual(entries?.lookup(key), undefined);
});

Deno.test("LiveSet cannot be made when the slot was never filled", () => {
  using kernel = new TestKernel();
  const { state } = kernel;
  throws(() => new LiveSet(state, (state.control.liveIndex() ^ 1) as SetIndex, []), { code: "ENOENT" });
});
