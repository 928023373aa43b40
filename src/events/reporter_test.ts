import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { sumPerCpu } from "../../ffi/map.ts";
import { readRuleCounts } from "../kernel/counters.ts";
import { ACTION, COUNTER, FLOW, FLOW_KEY } from "../kernel/layout.ts";
import { viewOf, writeIdentity } from "../kernel/packed.ts";
import { TestKernel } from "../kernel/test_support.ts";
import type { KernelRecord } from "./decode.ts";
import type { DecisionEvent } from "./event.ts";
import { Reporter, type ReporterContext } from "./reporter.ts";
import { RECORDED } from "./test_support.ts";

const POLICY = { name: "web-tier", serial: 7, sha256: "ab".repeat(32) };
const COALESCE_NS = 1_000n;

/** A reporter over real maps, and what it reported. */
class Desk implements Disposable {
  readonly kernel = new TestKernel();
  events: DecisionEvent[] = [];
  reporter = this.begin();

  /** An agent that takes over: nothing is left of the one before but what the kernel holds. */
  begin(changes: Partial<ReporterContext> = {}): Reporter {
    return this.reporter = new Reporter({
      maps: this.kernel.state.maps,
      ruleName: (rule) => rule === RECORDED.rule ? "tls-keys" : undefined,
      opName: (op) => `op ${op}`,
      policyOf: () => POLICY,
      pathOf: () => "/by/rule",
      cgroupPathOf: () => "/by/id",
      backend: RECORDED.backend,
      bootOffsetNs: () => 0n,
      emit: (event) => this.events.push(event),
      ...changes,
    });
  }

  /** A record of the one flow of these tests. */
  record(total: bigint, changes: Partial<KernelRecord> = {}): void {
    this.reporter.record({ ...RECORDED, total, ...changes });
    this.reporter.flush();
  }

  /** What the kernel side holds of that flow. */
  setFlow(total: bigint, recordedNs: bigint): void {
    const { flows, counters } = this.kernel.state.maps;
    const [key, flow] = [new Uint8Array(FLOW_KEY.SIZE), new Uint8Array(FLOW.SIZE)];
    writeIdentity(viewOf(key), FLOW_KEY.file, RECORDED.file);
    viewOf(key).setBigUint64(FLOW_KEY.cgroup, RECORDED.cgroup, true);
    viewOf(key).setUint32(FLOW_KEY.rule, RECORDED.rule, true);
    viewOf(key).setUint8(FLOW_KEY.op, RECORDED.op);
    viewOf(key).setUint8(FLOW_KEY.action, ACTION.DENY);
    viewOf(flow).setBigUint64(FLOW.total, total, true);
    viewOf(flow).setBigUint64(FLOW.recorded_ns, recordedNs, true);
    viewOf(flow).setUint32(FLOW.pid, 99, true);
    flow.set(new TextEncoder().encode("flooder"), FLOW.comm);
    flows.update(key, flow);
    const perCpu = new Uint8Array(counters.userValueSize);
    viewOf(perCpu).setBigUint64(COUNTER.COALESCED * 8, total, true);
    counters.update(new Uint8Array(4), perCpu);
  }

  get counts(): number[] {
    return this.events.map(({ count }) => count);
  }

  [Symbol.dispose](): void {
    this.kernel[Symbol.dispose]();
  }
}

Deno.test("record() counts what was coalesced since the record before", () => {
  using desk = new Desk();
  for (const total of [1n, 2n, 100n]) desk.record(total);
  deepStrictEqual(desk.counts, [1, 1, 98]);
  const [event] = desk.events;
  deepStrictEqual([event?.rule, event?.op, event?.policy], ["tls-keys", "op 1", POLICY]);
});

Deno.test("record() counts nothing twice when records arrive in another order", () => {
  using desk = new Desk();
  for (const total of [1n, 3n, 2n, 3n, 4n]) desk.record(total);
  deepStrictEqual(desk.counts, [1, 2, 1]);
});

Deno.test("record() counts flows apart", () => {
  using desk = new Desk();
  desk.record(5n);
  desk.record(5n, { op: 0 });
  desk.record(5n, { action: "audit" });
  desk.record(5n, { cgroup: 1n });
  desk.record(5n, { file: { ...RECORDED.file, gen: 1 } });
  deepStrictEqual(desk.counts, [5, 5, 5, 5, 5]);
});

Deno.test("record() counts one for a decision that no flow counts", () => {
  using desk = new Desk();
  for (let i = 0; i < 3; i++) desk.record(0n);
  deepStrictEqual(desk.counts, [1, 1, 1]);
  strictEqual([...desk.kernel.state.maps.reported.keys()].length, 0);
});

Deno.test("record() gives every event an id of its own", () => {
  using desk = new Desk();
  for (let total = 1n; total <= 20n; total++) desk.record(total);
  strictEqual(new Set(desk.events.map(({ id }) => id)).size, 20);
});

Deno.test("record() names a rule by its number when its id is not known", () => {
  using desk = new Desk();
  desk.record(1n, { rule: 12 });
  strictEqual(desk.events[0]?.rule, "rule-12");
});

Deno.test("Reporter goes on where the agent before it came to", () => {
  using desk = new Desk();
  desk.setFlow(40n, 0n);
  desk.record(40n);
  desk.begin();
  desk.record(41n);
  deepStrictEqual(desk.counts, [40, 1]);
  desk.setFlow(50n, 0n);
  desk.begin();
  desk.reporter.sweep(COALESCE_NS, COALESCE_NS);
  deepStrictEqual(desk.counts, [40, 1, 9]);
});

Deno.test("sweep() reports what was coalesced after a flow's time is over, once", () => {
  using desk = new Desk();
  desk.record(1n, { comm: "cat" });
  desk.setFlow(8n, 500n);
  desk.reporter.sweep(500n + COALESCE_NS - 1n, COALESCE_NS);
  deepStrictEqual(desk.counts, [1]);
  for (let i = 0; i < 3; i++) desk.reporter.sweep(500n + COALESCE_NS, COALESCE_NS);
  deepStrictEqual(desk.counts, [1, 7]);
  strictEqual(desk.events[1]?.process.comm, "cat", "by the flow's last record");
  desk.record(9n);
  deepStrictEqual(desk.counts, [1, 7, 1]);
});

Deno.test("sweep() reports a flow of which no record came, by what the flow knows", () => {
  using desk = new Desk();
  desk.setFlow(6n, 500n);
  desk.reporter.sweep(10_000n, COALESCE_NS);
  deepStrictEqual(desk.counts, [6]);
  const [event] = desk.events;
  deepStrictEqual(
    [event?.action, event?.ret, event?.process.pid, event?.process.comm, event?.process.cgroup.path],
    ["deny", -1, 99, "flooder", "/by/id"],
  );
  deepStrictEqual([event?.file.path, event?.file.path_source, event?.backend], ["/by/rule", "rule", "lsm"]);
});

Deno.test("the counts of all events are the kernel side's count, across records, sweeps and agents", () => {
  using desk = new Desk();
  let total = 0n;
  for (let round = 0; round < 200; round++) {
    total += BigInt(round % 5);
    desk.setFlow(total, BigInt(round));
    if (round % 3 === 0 && total > 0n) desk.record(total);
    if (round % 7 === 0) desk.reporter.sweep(BigInt(round) + COALESCE_NS, COALESCE_NS);
    if (round % 31 === 0) desk.begin();
  }
  desk.reporter.sweep(10_000n, COALESCE_NS);
  strictEqual(BigInt(desk.counts.reduce((sum, count) => sum + count, 0)), total);
  const { counters } = desk.kernel.state.maps;
  const value = counters.lookup(new Uint8Array(4));
  strictEqual(value && sumPerCpu(value, counters.valueSize, COUNTER.COALESCED * 8), total);
});

Deno.test("rebound() reports what stands at a place, once for each call, with what is known of who did it", () => {
  using desk = new Desk();
  desk.reporter.rebound(RECORDED, "/srv/tls/key");
  desk.reporter.rebound({ file: RECORDED.file, rule: RECORDED.rule, timeNs: 5n }, "/srv/tls/key");
  deepStrictEqual(desk.events.map(({ action, op, count }) => [action, op, count]), [
    ["rebound", "bind", 1],
    ["rebound", "bind", 1],
  ]);
  deepStrictEqual(desk.events.map(({ file, process }) => [file.path_source, process.pid]), [
    ["kernel", 4711],
    ["rule", 0],
  ]);
  ok(desk.events.every(({ file }) => file.path === "/srv/tls/key"));
});

Deno.test("endEpoch() reports what is left of a flow, whenever its last record was, and takes it out", () => {
  using desk = new Desk();
  const { maps } = desk.kernel.state;
  desk.record(40n);
  desk.setFlow(50n, 10_000n);
  desk.reporter.endEpoch(0);
  deepStrictEqual(desk.counts, [40, 10]);
  deepStrictEqual([[...maps.flows.keys()].length, [...maps.reported.keys()].length], [0, 0]);
  deepStrictEqual(readRuleCounts(maps).map(({ count }) => count), [50n]);
});

Deno.test("record() counts a flow anew in another epoch, and in the one after that", () => {
  using desk = new Desk();
  desk.record(40n);
  desk.record(3n, { epoch: 1 });
  desk.setFlow(41n, 0n);
  desk.reporter.endEpoch(0);
  desk.record(5n, { epoch: 1 });
  desk.record(1n);
  deepStrictEqual(desk.counts, [40, 3, 1, 2, 1]);
});

Deno.test("Reporter forgets how far it came in flows that were taken out when the agent before it died", () => {
  using desk = new Desk();
  desk.setFlow(40n, 0n);
  desk.record(40n);
  for (const key of [...desk.kernel.state.maps.flows.keys()]) desk.kernel.state.maps.flows.delete(key);
  desk.begin();
  desk.record(2n);
  deepStrictEqual(desk.counts, [40, 2]);
});
