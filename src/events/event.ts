/**
 * The event that users see: contract section 8, one JSON object a line.
 *
 * @module
 */
import { backendOfNumber } from "../kernel/backend.ts";
import { deviceText } from "../kernel/packed.ts";
import type { KernelRecord } from "./decode.ts";

/** Where an event's path comes from. */
export type PathSource = "kernel" | "rule" | "argument";

/** The policy that decided. */
export interface EventPolicy {
  readonly name: string;
  readonly serial: number;
  readonly sha256: string;
}

/** An event of the contract's version 1. */
export interface DecisionEvent {
  readonly v: 1;
  readonly id: string;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  /** `rebound`: another file came to stand at a rule's place; the process is the one that put it there. */
  readonly action: "deny" | "audit" | "rebound";
  readonly op: string;
  readonly rule: string;
  readonly policy: EventPolicy;
  readonly file: {
    readonly path: string;
    readonly path_source: PathSource;
    readonly dev: string;
    readonly ino: number | string;
    readonly gen: number;
  };
  readonly process: {
    readonly pid: number;
    readonly ppid: number;
    readonly uid: number;
    readonly gid: number;
    readonly comm: string;
    readonly exe: string;
    readonly start_ns: number | string;
    readonly cgroup: { readonly id: number | string; readonly path: string };
  };
  readonly backend: string;
  /** How many equal decisions it stands for. */
  readonly count: number;
  readonly ret: number;
}

/** What the agent adds to a record. */
export interface EventContext {
  readonly id: string;
  readonly rule: string;
  readonly op: string;
  readonly policy: EventPolicy;
  readonly count: bigint;
  /** Unix time minus `CLOCK_BOOTTIME`, nanoseconds. */
  readonly bootOffsetNs: bigint;
  /** A path of the rule, for where the record has none. */
  readonly rulePath?: string;
}

/** Makes the event of a record. */
export function eventOf(record: KernelRecord, context: EventContext): DecisionEvent {
  const usesRule = (record.path === "" || record.pathIsPartial) && context.rulePath !== undefined;
  return {
    v: 1,
    id: context.id,
    time: rfc3339(record.timeNs + context.bootOffsetNs),
    action: record.type === "bound" ? "rebound" : record.action,
    op: context.op,
    rule: context.rule,
    policy: context.policy,
    file: {
      path: usesRule ? context.rulePath ?? "" : record.path,
      path_source: usesRule ? "rule" : record.pathIsArgument ? "argument" : "kernel",
      dev: deviceText(record.file.dev),
      ino: jsonNumber(record.file.ino),
      gen: record.file.gen,
    },
    process: {
      pid: record.pid,
      ppid: record.ppid,
      uid: record.uid,
      gid: record.gid,
      comm: record.comm,
      exe: record.exePath,
      start_ns: jsonNumber(record.startNs),
      cgroup: { id: jsonNumber(record.cgroup), path: record.cgroupPath },
    },
    backend: backendOfNumber(record.backend) ?? "unknown",
    count: Number(context.count),
    ret: record.ret,
  };
}

/** RFC 3339 in UTC with nine digits of a second. */
export function rfc3339(unixNs: bigint): string {
  const second = unixNs / NS_PER_S;
  const fraction = (unixNs % NS_PER_S).toString().padStart(9, "0");
  return `${new Date(Number(second) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** A number where JSON readers keep it exactly, else its digits as text: inode numbers can have 64 bits. */
export function jsonNumber(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

const NS_PER_S = 1_000_000_000n;
