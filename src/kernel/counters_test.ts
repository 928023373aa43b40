import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { bootTimeNs } from "../../ffi/clock.ts";
import { readCounters, readFlows, readRuleCounts, textUntilNul } from "./counters.ts";
import { fileEntry, inodeEntry } from "./entries.ts";
import { ACTION, COUNTER, OP, RULE_KEY } from "./layout.ts";
import { viewOf } from "./packed.ts";
import { fillIdleSet, switchTo } from "./sets.ts";
import { AUDIT_READS, LABEL, TestKernel } from "./test_support.ts";

/** Puts a rule of this number over a file. */
function watch(kernel: TestKernel, path: string, number: number): void {
  const builder = kernel.builder();
  const rule = builder.addRule({ ...AUDIT_READS, number });
  builder.add(fileEntry(kernel.identityOf(path), rule));
  const set = builder.build();
  switchTo(kernel.state, fillIdleSet(kernel.state, set, LABEL), set);
}

Deno.test("readCounters() has every counter, 0 before anything happened", () => {
  using kernel = new TestKernel();
  const counters = readCounters(kernel.state.maps);
  deepStrictEqual(Object.keys(counters), Object.keys(COUNTER).filter((name) => name !== "COUNTERS"));
  const { CANARY_SEEN: _seen, ...others } = counters;
  deepStrictEqual([...new Set(Object.values(others))], [0n]);
});

Deno.test("readCounters() and readFlows() count each open of a watched file", () => {
  using kernel = new TestKernel();
  const path = kernel.file("watched");
  watch(kernel, path, 42);
  const before = bootTimeNs();
  for (let i = 0; i < 50; i++) Deno.readTextFileSync(path);
  const { AUDITED, DENIED, EMITTED, DELIVERED, COALESCED, DROPPED_RING_FULL } = readCounters(
    kernel.state.maps,
  );
  deepStrictEqual([AUDITED, DENIED, EMITTED], [50n, 0n, 50n]);
  strictEqual(DELIVERED + COALESCED + DROPPED_RING_FULL, 50n);
  const [flow, ...others] = readFlows(kernel.state.maps);
  strictEqual(others.length, 0);
  deepStrictEqual(
    { file: flow?.file, rule: flow?.rule, op: flow?.op, action: flow?.action, total: flow?.total },
    { file: kernel.identityOf(path), rule: 42, op: OP.READ, action: ACTION.AUDIT, total: 50n },
  );
  deepStrictEqual([flow?.pid, flow?.uid], [Deno.pid, Deno.uid()]);
  strictEqual((flow?.recordedNs ?? 0n) >= before && (flow?.recordedNs ?? 0n) <= bootTimeNs(), true);
});

Deno.test("readRuleCounts() adds up flows of one rule and what no flow could hold", () => {
  using kernel = new TestKernel();
  const { maps } = kernel.state;
  const [one, two] = [kernel.file("one"), kernel.file("two")];
  const builder = kernel.builder();
  const rule = builder.addRule({ ...AUDIT_READS, number: 7 });
  for (const path of [one, two]) builder.add(inodeEntry(kernel.identityOf(path), rule));
  const set = builder.build();
  switchTo(kernel.state, fillIdleSet(kernel.state, set, LABEL), set);
  for (const path of [one, two, two]) Deno.readTextFileSync(path);
  strictEqual([...maps.flows.keys()].length, 2);
  const key = new Uint8Array(RULE_KEY.SIZE);
  viewOf(key).setUint32(RULE_KEY.rule, 7, true);
  viewOf(key).setUint8(RULE_KEY.op, OP.READ);
  viewOf(key).setUint8(RULE_KEY.action, ACTION.AUDIT);
  const perCpu = new Uint8Array(maps.rule_counts.userValueSize);
  for (let at = 0; at < perCpu.length; at += 8) viewOf(perCpu).setBigUint64(at, 10n, true);
  maps.rule_counts.update(key, perCpu);
  deepStrictEqual(readRuleCounts(maps), [
    { rule: 7, op: OP.READ, action: ACTION.AUDIT, count: 3n + 10n * BigInt(perCpu.length / 8) },
  ]);
});

Deno.test("textUntilNul() ends at the first NUL, or at the end", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  strictEqual(textUntilNul(encode("cat\0rest")), "cat");
  strictEqual(textUntilNul(encode("exactly-sixteen!")), "exactly-sixteen!");
  strictEqual(textUntilNul(encode("\0")), "");
});
