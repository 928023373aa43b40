/**
 * Turns records and flows into events, each decision counted once: a record carries its flow's total, and an event
 * stands for what was added since the last one.
 *
 * @module
 */
import { MapReader } from "../../ffi/map_reader.ts";
import { type Flow, flowMap, flowOf, readCounters } from "../kernel/counters.ts";
import { FlowArchive } from "../kernel/flow_epochs.ts";
import { ACTION, FLOW, FLOW_KEY } from "../kernel/layout.ts";
import { type Identity, viewOf, writeIdentity } from "../kernel/packed.ts";
import type { Maps } from "../kernel/state.ts";
import type { KernelRecord } from "./decode.ts";
import { type DecisionEvent, eventOf, type EventPolicy } from "./event.ts";
import { epochKey, Progress } from "./progress.ts";

/** What the reporter asks of the agent. */
export interface ReporterContext {
  readonly maps: Maps;
  /** The id of a rule by its lasting number. */
  readonly ruleName: (rule: number) => string | undefined;
  /** The name of an operation by its number. */
  readonly opName: (op: number) => string;
  /** The policy of a generation. */
  readonly policyOf: (generation: bigint) => EventPolicy;
  /** A path that a file has or had, for what has no record of its own. */
  readonly pathOf: (file: Identity) => string | undefined;
  /** Likewise of a cgroup. */
  readonly cgroupPathOf: (id: bigint) => string | undefined;
  /** Number of the backend in use. */
  readonly backend: number;
  /** Unix time minus `CLOCK_BOOTTIME`, nanoseconds. */
  readonly bootOffsetNs: () => bigint;
  readonly emit: (event: DecisionEvent) => void;
}

/** What a look at all flows found. */
export interface Swept {
  /** How many flows there are; undefined if nothing was decided since the last look. */
  readonly flows: number | undefined;
  /** Whether all was reported that could be. */
  readonly all: boolean;
}

/** Makes events. */
export class Reporter {
  readonly #context: ReporterContext;
  /** How much of each flow has been reported. */
  readonly #progress: Progress;
  /** The last record of each flow: who did it, for events that have no record of their own. The oldest go. */
  readonly #last = new Map<string, KernelRecord>();
  /** How many more events the sweep that is under way may make. */
  #budget = 0;
  /** The maps of flows, by bit 0 of their epoch. */
  readonly #archive: FlowArchive;
  readonly #flows: readonly [even: MapReader, odd: MapReader];
  /** Flows whose last record is older were reported whole by the last sweep, and count nothing without a new record. */
  #settledNs = 0n;
  #sweeps = 0;
  /** Records kept since the last sweep: a flood of flows would only push each other out. */
  #remembered = 0;
  #sweptEmitted = -1n;
  #sequence = 0;

  constructor(context: ReporterContext) {
    this.#context = context;
    this.#progress = new Progress(context.maps);
    this.#archive = new FlowArchive(context.maps);
    this.#flows = [new MapReader(flowMap(context.maps, 0)), new MapReader(flowMap(context.maps, 1))];
  }

  /** Reports that another file stands at a rule's place, which the kernel side or the agent found. */
  rebound(
    record: Pick<KernelRecord, "file" | "rule"> & Partial<KernelRecord>,
    path: string | undefined,
  ): void {
    this.#emit({ ...NO_RECORD, backend: this.#context.backend, ...record, type: "bound" }, 1n, path);
  }

  /** Reports a decision; {@linkcode flush} is to follow. */
  record(record: KernelRecord): void {
    if (record.total === 0n) return this.#emit(record, 1n);
    const key = flowKey(record);
    const count = record.total - this.#progress.of(key);
    // Two records of one flow may arrive in the other order: the later one has told for both.
    if (count <= 0n) return;
    this.#emit(record, count);
    if (this.#remembered++ < RECORDS_KEPT) this.#remember(key, record);
    this.#progress.note(key, record.total);
  }

  /** Tells the kernel how far reporting has come: an agent that takes over goes on there. */
  flush(): void {
    this.#progress.flush();
  }

  /**
   * Reports what was coalesced and has no record yet, once its flow has been quiet or its time is over; so many events
   * at most that writing them keeps up.
   */
  sweep(nowNs: bigint, coalesceNs: bigint): Swept {
    const { maps } = this.#context;
    const counters = readCounters(maps);
    const emitted = counters.COALESCED + counters.DELIVERED + counters.DROPPED_RING_FULL;
    if (emitted === this.#sweptEmitted) return { flows: undefined, all: true };
    this.#budget = EVENTS_AT_ONCE;
    this.#remembered = 0;
    let waiting = false;
    let flows = 0;
    // A program that was interrupted between looking at the clock and counting is found by a look at all, some time.
    const settledNs = this.#sweeps++ % LOOK_AT_ALL === 0 ? 0n : this.#settledNs;
    for (const epoch of [0, 1] as const) {
      this.#flows[epoch].visit((key, value) => {
        flows++;
        const recordedNs = viewOf(value).getBigUint64(FLOW.recorded_ns, true);
        if (recordedNs < settledNs) return;
        if (!this.#reportRest(epoch, key, value, nowNs - coalesceNs)) waiting = true;
      });
    }
    this.flush();
    this.#settledNs = this.#budget > 0 ? nowNs - coalesceNs - SETTLING_NS : 0n;
    this.#sweptEmitted = waiting ? -1n : emitted;
    return { flows, all: this.#budget > 0 };
  }

  /**
   * Reports all that flows of an epoch counted which is over, and takes them out. All records that were made in it must
   * have come here.
   *
   * @returns Whether that is done; false where so many events were made that writing them should be let keep up.
   * @throws {SystemError} if the kernel is short of memory; it can be tried again.
   */
  endEpoch(epoch: number): boolean {
    this.#budget = EVENTS_AT_ONCE;
    let all = true;
    this.#flows[(epoch & 1) as 0 | 1].visit((key, value) => {
      if (!this.#reportRest(epoch, key, value)) all = false;
    });
    this.flush();
    if (!all) return false;
    const taken = this.#archive.takeOut(epoch);
    for (const key of this.#progress.forget(epoch, taken)) this.#last.delete(key);
    return true;
  }

  /** Reports what of a flow was not reported, if its last record was not after `beforeNs`; returns whether all is. */
  #reportRest(epoch: number, key: Uint8Array, value: Uint8Array, beforeNs?: bigint): boolean {
    const text = epochKey(key, epoch);
    const total = viewOf(value).getBigUint64(FLOW.total, true);
    const rest = total - this.#progress.of(text);
    if (rest <= 0n) return true;
    if (this.#budget <= 0) return false;
    const flow = flowOf(key, value);
    if (beforeNs !== undefined && flow.recordedNs > beforeNs) return false;
    this.#reportFlow(flow, text, rest);
    this.#budget--;
    return true;
  }

  #reportFlow(flow: Flow, key: string, count: bigint): void {
    const last = this.#last.get(key);
    const { pathOf, cgroupPathOf, backend } = this.#context;
    const record = last ?? {
      ...recordOf(flow),
      backend,
      cgroupPath: cgroupPathOf(flow.cgroup) ?? "",
    };
    const rulePath = last ? undefined : pathOf(flow.file);
    this.#emit({ ...record, timeNs: flow.recordedNs, total: flow.total }, count, rulePath);
    this.#progress.note(key, flow.total);
  }

  #remember(key: string, record: KernelRecord): void {
    this.#last.delete(key);
    this.#last.set(key, record);
    if (this.#last.size <= RECORDS_KEPT) return;
    const oldest = this.#last.keys().next();
    if (!oldest.done) this.#last.delete(oldest.value);
  }

  #emit(record: KernelRecord, count: bigint, rulePath?: string): void {
    const { ruleName, opName, policyOf, bootOffsetNs, emit } = this.#context;
    emit(eventOf(record, {
      id: `${record.timeNs.toString(36)}-${(this.#sequence++).toString(36)}`,
      rule: ruleName(record.rule) ?? `rule-${record.rule}`,
      op: record.type === "bound" ? "bind" : opName(record.op),
      policy: policyOf(record.generation),
      count,
      bootOffsetNs: bootOffsetNs(),
      ...(rulePath === undefined ? {} : { rulePath }),
    }));
  }
}

/** Events of one sweep: about 1 MiB. */
const EVENTS_AT_ONCE = 2000;
/** Every so many sweeps look at flows that were reported whole, too. */
const LOOK_AT_ALL = 60;
/** Between looking at the clock and counting. */
const SETTLING_NS = 200_000_000n;
/** A record has up to about 2 KiB. */
const RECORDS_KEPT = 2048;

const NO_RECORD: Omit<KernelRecord, "file" | "rule"> = {
  type: "decision",
  op: 0,
  action: "audit",
  backend: 0,
  timeNs: 0n,
  total: 0n,
  epoch: 0,
  generation: 0n,
  path: "",
  pathIsArgument: false,
  pathIsPartial: true,
  exe: { ino: 0n, dev: 0, gen: 0 },
  exePath: "",
  cgroup: 0n,
  cgroupPath: "",
  pid: 0,
  ppid: 0,
  uid: 0,
  gid: 0,
  comm: "",
  startNs: 0n,
  ret: 0,
};

/** What is known of a flow without a record. */
function recordOf(flow: Flow): KernelRecord {
  const { file, rule, op, total, cgroup, pid, uid, comm } = flow;
  const denied = flow.action === ACTION.DENY;
  return {
    ...NO_RECORD,
    file,
    rule,
    op,
    total,
    cgroup,
    pid,
    uid,
    comm,
    action: denied ? "deny" : "audit",
    timeNs: flow.recordedNs,
    ret: denied ? -1 : 0,
  };
}

/** A flow's key in `reported`: the map's own key, with the epoch. */
function flowKey({ file, cgroup, rule, op, action, epoch }: KernelRecord): string {
  const view = viewOf(keyBytes);
  writeIdentity(view, FLOW_KEY.file, file);
  view.setBigUint64(FLOW_KEY.cgroup, cgroup, true);
  view.setUint32(FLOW_KEY.rule, rule, true);
  view.setUint8(FLOW_KEY.op, op);
  view.setUint8(FLOW_KEY.action, action === "deny" ? ACTION.DENY : ACTION.AUDIT);
  return epochKey(keyBytes, epoch);
}

const keyBytes = new Uint8Array(FLOW_KEY.SIZE);
