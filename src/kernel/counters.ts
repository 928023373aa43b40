/**
 * Reads what the kernel side counted: exact, per rule and per flow.
 *
 * @module
 */
import { type BpfMap, sumPerCpu } from "../../ffi/map.ts";
import { COUNTER, FLOW, FLOW_KEY, PAST, RULE_KEY } from "./layout.ts";
import { type Identity, readIdentity, viewOf } from "./packed.ts";
import type { Maps } from "./state.ts";

/** A number of the kernel side, by the name it has in `enum aegis_counter`. */
export type CounterName = Exclude<keyof typeof COUNTER, "COUNTERS">;

/** All global counters. */
export type Counters = Readonly<Record<CounterName, bigint>>;

/** Reads all global counters. */
export function readCounters({ counters }: Maps): Counters {
  const value = counters.lookup(new Uint8Array(4)) ?? new Uint8Array(counters.userValueSize);
  const entries = Object.entries(COUNTER).filter(([name]) => name !== "COUNTERS").map(([name, index]) => {
    return [name, sumPerCpu(value, counters.valueSize, index * 8)];
  });
  return Object.fromEntries(entries) as Counters;
}

/** Decisions of one rule on one operation. */
export interface RuleCount {
  /** The rule's lasting number. */
  readonly rule: number;
  readonly op: number;
  readonly action: number;
  readonly count: bigint;
}

/** Decisions by rule, operation and action: those that flows count or counted, and those for which there was no flow. */
export function readRuleCounts(maps: Maps): RuleCount[] {
  const counts = new Map<number, { rule: number; op: number; action: number; count: bigint }>();
  const add = (rule: number, op: number, action: number, count: bigint) => {
    const key = (rule * 256 + op) * 256 + action;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { rule, op, action, count });
    else known.count += count;
  };
  // Not by readTotals: of a full table that would be most of the time.
  for (
    const [map, total] of [[maps.flows, FLOW.total], [maps.flows_odd, FLOW.total], [
      maps.past,
      PAST.total,
    ]] as const
  ) {
    for (const [key, value] of map.entries()) {
      const view = viewOf(key);
      add(
        view.getUint32(FLOW_KEY.rule, true),
        view.getUint8(FLOW_KEY.op),
        view.getUint8(FLOW_KEY.action),
        viewOf(value).getBigUint64(total, true),
      );
    }
  }
  for (const [key, value] of maps.rule_counts.entries()) {
    const view = viewOf(key);
    add(
      view.getUint32(RULE_KEY.rule, true),
      view.getUint8(RULE_KEY.op),
      view.getUint8(RULE_KEY.action),
      sumPerCpu(value, maps.rule_counts.valueSize),
    );
  }
  return [...counts.values()];
}

/** How many decisions there were of one kind. */
export interface FlowTotal {
  readonly file: Identity;
  readonly cgroup: bigint;
  readonly rule: number;
  readonly op: number;
  readonly action: number;
  readonly total: bigint;
}

/** A stream of equal decisions. */
export interface Flow extends FlowTotal {
  /** `CLOCK_BOOTTIME` of the last record, nanoseconds. */
  readonly recordedNs: bigint;
  /** Who caused the last record. */
  readonly pid: number;
  readonly uid: number;
  readonly comm: string;
}

/** The two maps of flows, by bit 0 of their epoch. */
export function flowMap({ flows, flows_odd }: Maps, epoch: number): BpfMap {
  return (epoch & 1) === 0 ? flows : flows_odd;
}

/** All flows, of both maps. */
export function* readFlows(maps: Maps): Generator<Flow> {
  for (const map of [maps.flows, maps.flows_odd]) {
    for (const [key, value] of map.entries()) yield flowOf(key, value);
  }
}

/** A flow by its entry. */
export function flowOf(key: Uint8Array, value: Uint8Array): Flow {
  const view = viewOf(value);
  return {
    ...flowKeyOf(viewOf(key)),
    total: view.getBigUint64(FLOW.total, true),
    recordedNs: view.getBigUint64(FLOW.recorded_ns, true),
    pid: view.getUint32(FLOW.pid, true),
    uid: view.getUint32(FLOW.uid, true),
    comm: textUntilNul(value.subarray(FLOW.comm, FLOW.SIZE)),
  };
}

/** What flows count and, where they were taken out, counted. One kind may come up to three times: the sum is exact. */
export function* readTotals(maps: Maps): Generator<FlowTotal> {
  yield* readFlows(maps);
  for (const [key, value] of maps.past.entries()) {
    yield { ...flowKeyOf(viewOf(key)), total: viewOf(value).getBigUint64(PAST.total, true) };
  }
}

/** Whether a total is that of many flows, of which only the rule, the operation and the action are kept. */
export function isOfRuleOnly({ file, cgroup }: FlowTotal): boolean {
  return file.ino === 0n && file.dev === 0 && cgroup === 0n;
}

function flowKeyOf(view: DataView): Omit<FlowTotal, "total"> {
  return {
    file: readIdentity(view, FLOW_KEY.file),
    cgroup: view.getBigUint64(FLOW_KEY.cgroup, true),
    rule: view.getUint32(FLOW_KEY.rule, true),
    op: view.getUint8(FLOW_KEY.op),
    action: view.getUint8(FLOW_KEY.action),
  };
}

/** Text up to the first NUL, or all of it. */
export function textUntilNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
