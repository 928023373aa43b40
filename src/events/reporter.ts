/**
 * Turns records and flows into events, each decision counted once: a record carries its flow's total, and an event
 * stands for what was added since the last one.
 *
 * @module
 */
import { type Flow, readCounters, readFlows } from "../kernel/counters.ts";
import { ACTION, FLOW_KEY } from "../kernel/layout.ts";
import { type Identity, viewOf, writeIdentity } from "../kernel/packed.ts";
import type { Maps } from "../kernel/state.ts";
import type { KernelRecord } from "./decode.ts";
import { type DecisionEvent, eventOf, type EventPolicy } from "./event.ts";

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

/** Makes events. */
export class Reporter {
  readonly #context: ReporterContext;
  /** How much of each flow has been reported, by its key. */
  readonly #reported = new Map<string, bigint>();
  /** The last record of each flow: who did it, for events that have no record of their own. */
  readonly #last = new Map<string, KernelRecord>();
  readonly #noted = new Uint8Array(8);
  #sweptEmitted = -1n;
  #sequence = 0;

  constructor(context: ReporterContext) {
    this.#context = context;
    for (const [key, value] of context.maps.reported.entries()) {
      this.#reported.set(key.toHex(), viewOf(value).getBigUint64(0, true));
    }
  }

  /** Reports that another file stands at a rule's place, which the kernel side or the agent found. */
  rebound(
    record: Pick<KernelRecord, "file" | "rule"> & Partial<KernelRecord>,
    path: string | undefined,
  ): void {
    this.#emit({ ...NO_RECORD, backend: this.#context.backend, ...record, type: "bound" }, 1n, path);
  }

  /** Reports a decision. */
  record(record: KernelRecord): void {
    const key = flowKey(record);
    const count = record.total === 0n ? 1n : record.total - (this.#reported.get(key) ?? 0n);
    // Two records of one flow may arrive in the other order: the later one has told for both.
    if (count <= 0n) return;
    if (record.total > 0n) this.#reported.set(key, record.total);
    this.#last.set(key, record);
    this.#emit(record, count);
    if (record.total > 0n) this.#note(key, record.total);
  }

  /**
   * Reports what was coalesced and has no record yet, once its flow has been quiet or its time is over.
   */
  sweep(nowNs: bigint, coalesceNs: bigint): void {
    const { maps } = this.#context;
    const counters = readCounters(maps);
    const emitted = counters.COALESCED + counters.DELIVERED + counters.DROPPED_RING_FULL;
    if (emitted === this.#sweptEmitted) return;
    let waiting = false;
    for (const flow of readFlows(maps)) {
      const key = flow.key.toHex();
      const reported = this.#reported.get(key) ?? 0n;
      if (flow.total > reported) {
        if (nowNs - flow.recordedNs < coalesceNs) waiting = true;
        else this.#reportFlow(flow, key, flow.total - reported);
      }
    }
    this.#sweptEmitted = waiting ? -1n : emitted;
  }

  #reportFlow(flow: Flow, key: string, count: bigint): void {
    this.#reported.set(key, flow.total);
    const last = this.#last.get(key);
    const { pathOf, cgroupPathOf, backend } = this.#context;
    const record = last ?? {
      ...recordOf(flow),
      backend,
      cgroupPath: cgroupPathOf(flow.cgroup) ?? "",
    };
    const rulePath = last ? undefined : pathOf(flow.file);
    this.#emit({ ...record, timeNs: flow.recordedNs, total: flow.total }, count, rulePath);
    this.#note(key, flow.total);
  }

  /** Tells the kernel how far reporting has come: an agent that takes over goes on there. */
  #note(key: string, reported: bigint): void {
    viewOf(this.#noted).setBigUint64(0, reported, true);
    this.#context.maps.reported.update(Uint8Array.fromHex(key), this.#noted);
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

const NO_RECORD: Omit<KernelRecord, "file" | "rule"> = {
  type: "decision",
  op: 0,
  action: "audit",
  backend: 0,
  timeNs: 0n,
  total: 0n,
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

function flowKey({ file, cgroup, rule, op, action }: KernelRecord): string {
  const bytes = new Uint8Array(FLOW_KEY.SIZE);
  const view = viewOf(bytes);
  writeIdentity(view, FLOW_KEY.file, file);
  view.setBigUint64(FLOW_KEY.cgroup, cgroup, true);
  view.setUint32(FLOW_KEY.rule, rule, true);
  view.setUint8(FLOW_KEY.op, op);
  view.setUint8(FLOW_KEY.action, action === "deny" ? ACTION.DENY : ACTION.AUDIT);
  return bytes.toHex();
}
