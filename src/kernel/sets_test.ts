import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { SystemError } from "../../ffi/libc.ts";
import { BpfMap } from "../../ffi/map.ts";
import type { SetIndex } from "./control.ts";
import { cgroupEntry, fileEntry } from "./entries.ts";
import { AEGIS, RULE } from "./layout.ts";
import { readEntry, readRule, viewOf } from "./packed.ts";
import { entriesOf, fillIdleSet, rulesOf, SetMismatchError, switchTo } from "./sets.ts";
import { AUDIT_READS, identity, LABEL, TestKernel } from "./test_support.ts";

Deno.test("fillIdleSet() leaves the live set alone until switchTo()", () => {
  using kernel = new TestKernel();
  const { control } = kernel.state;
  const before = control.live;
  const builder = kernel.builder();
  builder.add(cgroupEntry(1n, 2n));
  builder.reachCgroupLevel(3);
  const set = builder.build();
  const index = fillIdleSet(kernel.state, set, { ...LABEL, serial: 2n ** 53n - 1n, enforce: true });
  deepStrictEqual([control.live, index], [before, control.liveIndex(before) ^ 1]);
  switchTo(kernel.state, index, set);
  strictEqual(control.live, AEGIS.LIVE_CGROUPS | index);
  const info = control.setInfo(index);
  deepStrictEqual(
    { ...info, appliedNs: 0n },
    {
      generation: 2n,
      serial: 2n ** 53n - 1n,
      sha256: LABEL.sha256,
      name: "test",
      rules: 1,
      entries: 2,
      cgroupDepth: 3,
      enforce: true,
      appliedNs: 0n,
    },
  );
  ok(Math.abs(Number(info.appliedNs / 1_000_000n) - Date.now()) < 60_000);
});

Deno.test("fillIdleSet() puts every rule and entry into the kernel", () => {
  using kernel = new TestKernel();
  const builder = kernel.builder();
  for (let number = 1; number <= 3000; number++) {
    builder.add(fileEntry(identity(BigInt(number)), builder.addRule({ ...AUDIT_READS, number })));
  }
  const set = builder.build();
  const index = fillIdleSet(kernel.state, set, LABEL);
  using entries = mapAt(entriesOf(kernel.state, index));
  using rules = mapAt(rulesOf(kernel.state, index));
  strictEqual([...entries.keys()].length, 3001);
  deepStrictEqual([rules.maxEntries, rules.valueSize], [3001, RULE.SIZE]);
  const last = rules.lookup(new Uint8Array(Uint32Array.of(3000).buffer));
  strictEqual(last && readRule(viewOf(last)).number, 3000);
  const key = set.keys.subarray(-24);
  const value = entries.lookup(key);
  strictEqual(value && readEntry(viewOf(value)).rule, 3000);
});

Deno.test("fillIdleSet() counts generations up over both slots", () => {
  using kernel = new TestKernel();
  const generations: bigint[] = [];
  for (let i = 0; i < 4; i++) {
    const set = kernel.builder().build();
    switchTo(kernel.state, fillIdleSet(kernel.state, set, LABEL), set);
    const { control } = kernel.state;
    generations.push(control.setInfo(control.liveIndex()).generation);
  }
  deepStrictEqual(generations, [2n, 3n, 4n, 5n]);
});

Deno.test("fillIdleSet() without switchTo() may be repeated, and the last one counts", () => {
  using kernel = new TestKernel();
  const first = fillIdleSet(kernel.state, kernel.builder().build(), LABEL);
  const second = fillIdleSet(kernel.state, kernel.builder().build(), { ...LABEL, name: "second" });
  strictEqual(first, second);
  strictEqual(kernel.state.control.setInfo(second).name, "second");
});

Deno.test("fillIdleSet() refuses a set that counts wrong, and leaves both slots alone", () => {
  using kernel = new TestKernel();
  const { control } = kernel.state;
  const set = kernel.builder().build();
  const twice = { ...set, entryCount: 2, keys: repeated(set.keys), values: repeated(set.values) };
  const before = [control.live, control.setInfo(0), control.setInfo(1)];
  throws(() => fillIdleSet(kernel.state, twice, LABEL), SetMismatchError);
  deepStrictEqual([control.live, control.setInfo(0), control.setInfo(1)], before);
});

Deno.test("switchTo() keeps an emergency stop and drops bits that the new set does not need", () => {
  using kernel = new TestKernel();
  const { control } = kernel.state;
  control.changeLive({ set: AEGIS.LIVE_EMERGENCY | AEGIS.LIVE_SUBTREES });
  switchTo(kernel.state, 1, { live: AEGIS.LIVE_UIDS });
  strictEqual(control.live, AEGIS.LIVE_EMERGENCY | AEGIS.LIVE_UIDS | 1);
  switchTo(kernel.state, 0, { live: 0 });
  strictEqual(control.live, AEGIS.LIVE_EMERGENCY);
});

Deno.test("the maps of replaced sets leave the kernel", async () => {
  using kernel = new TestKernel();
  const ids: number[] = [];
  for (let i = 0; i < 50; i++) {
    const set = kernel.builder().build();
    const index = fillIdleSet(kernel.state, set, LABEL);
    switchTo(kernel.state, index, set);
    for (const find of [entriesOf, rulesOf]) {
      using map = mapAt(find(kernel.state, index));
      ids.push(map.info().id);
    }
  }
  strictEqual(new Set(ids).size, 100);
  const inUse = ids.slice(-4);
  // The kernel lets them go once no program can still look at them.
  for (let left = ids; left.length > inUse.length;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    left = left.filter(mapExists);
    if (left.length === inUse.length) deepStrictEqual(left, inUse);
  }
});

Deno.test("entriesOf() and rulesOf() give undefined when a slot was never filled", () => {
  using kernel = new TestKernel();
  const idle = (kernel.state.control.liveIndex() ^ 1) as SetIndex;
  strictEqual(entriesOf(kernel.state, idle), undefined);
  strictEqual(rulesOf(kernel.state, idle), undefined);
});

Deno.test("what stands in a set decides: the kernel side counts an open of a file that a rule names", () => {
  using kernel = new TestKernel();
  const path = kernel.file("watched");
  const builder = kernel.builder();
  builder.add(fileEntry(kernel.identityOf(path), builder.addRule({ ...AUDIT_READS, number: 42 })));
  const set = builder.build();
  Deno.readTextFileSync(path);
  strictEqual([...kernel.state.maps.flows.keys()].length, 0, "before the switch");
  switchTo(kernel.state, fillIdleSet(kernel.state, set, LABEL), set);
  Deno.readTextFileSync(path);
  strictEqual([...kernel.state.maps.flows.keys()].length, 1);
});

function mapAt(map: BpfMap | undefined): BpfMap {
  if (map === undefined) throw new Error("Expected a set in that slot");
  return map;
}

function mapExists(id: number): boolean {
  try {
    BpfMap.fromId(id)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") return false;
    throw error;
  }
}

function repeated(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(...bytes, ...bytes);
}
