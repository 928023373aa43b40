/**
 * Reads what the kernel side counted: exact, per rule and per flow.
 *
 * @module
 */
import { sumPerCpu } from "../../ffi/map.ts";
import { COUNTER, FLOW, FLOW_KEY, RULE_KEY } from "./layout.ts";
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

/**
 * Decisions by rule, operation and action: those that flows count, and those for which there was no flow. A flow that
 * is read twice or missed while it comes or goes would show; nothing removes flows.
 */
export function readRuleCounts(maps: Maps): RuleCount[] {
  const counts = new Map<number, { rule: number; op: number; action: number; count: bigint }>();
  const add = (rule: number, op: number, action: number, count: bigint) => {
    const key = (rule * 256 + op) * 256 + action;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { rule, op, action, count });
    else known.count += count;
  };
  // Not by readFlows: of a full table that would be most of the time.
  for (const [key, value] of maps.flows.entries()) {
    const view = viewOf(key);
    add(
      view.getUint32(FLOW_KEY.rule, true),
      view.getUint8(FLOW_KEY.op),
      view.getUint8(FLOW_KEY.action),
      viewOf(value).getBigUint64(FLOW.total, true),
    );
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

/** A stream of equal decisions. */
export interface Flow {
  readonly file: Identity;
  readonly cgroup: bigint;
  readonly rule: number;
  readonly op: number;
  readonly action: number;
  readonly total: bigint;
  /** `CLOCK_BOOTTIME` of the last record, nanoseconds. */
  readonly recordedNs: bigint;
  /** Who caused the last record. */
  readonly pid: number;
  readonly uid: number;
  readonly comm: string;
  /** The flow's key as bytes. */
  readonly key: Uint8Array;
}

/** All flows. */
export function* readFlows({ flows }: Maps): Generator<Flow> {
  for (const [key, value] of flows.entries()) {
    const [keyView, view] = [viewOf(key), viewOf(value)];
    yield {
      file: readIdentity(keyView, FLOW_KEY.file),
      cgroup: keyView.getBigUint64(FLOW_KEY.cgroup, true),
      rule: keyView.getUint32(FLOW_KEY.rule, true),
      op: keyView.getUint8(FLOW_KEY.op),
      action: keyView.getUint8(FLOW_KEY.action),
      total: view.getBigUint64(FLOW.total, true),
      recordedNs: view.getBigUint64(FLOW.recorded_ns, true),
      pid: view.getUint32(FLOW.pid, true),
      uid: view.getUint32(FLOW.uid, true),
      comm: textUntilNul(value.subarray(FLOW.comm, FLOW.SIZE)),
      key,
    };
  }
}

/** Text up to the first NUL, or all of it. */
export function textUntilNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
