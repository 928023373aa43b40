/**
 * Reads the records that the kernel side sends: fixed, versioned, and only looked at within their bounds.
 *
 * @module
 */
import { ACTION, AEGIS, RECORD, RECORD_TYPE } from "../kernel/layout.ts";
import { textUntilNul } from "../kernel/counters.ts";
import { type Identity, readIdentity } from "../kernel/packed.ts";

/** One record, decoded; names are still numbers. */
export interface KernelRecord {
  readonly type: "decision" | "bound";
  readonly op: number;
  readonly action: "deny" | "audit";
  /** Number of the backend. */
  readonly backend: number;
  /** `CLOCK_BOOTTIME`, nanoseconds. */
  readonly timeNs: bigint;
  /** How many decisions the flow counts, this one included; 0n: the flow is not counted. */
  readonly total: bigint;
  /** Bit 0 of the epoch that the flow is counted in. */
  readonly epoch: number;
  readonly generation: bigint;
  readonly file: Identity;
  /** Path of the file; empty where the kernel side knows none. */
  readonly path: string;
  /** The path is what a system call was asked for. */
  readonly pathIsArgument: boolean;
  /** The path lacks its beginning: it did not fit, or no mount is known. */
  readonly pathIsPartial: boolean;
  readonly exe: Identity;
  readonly exePath: string;
  readonly cgroup: bigint;
  readonly cgroupPath: string;
  /** Lasting number of the rule. */
  readonly rule: number;
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly gid: number;
  readonly comm: string;
  /** `CLOCK_BOOTTIME` at which the process started, nanoseconds. */
  readonly startNs: bigint;
  /** What the operation returned because of this: 0 or a negative error number. */
  readonly ret: number;
}

/** A record that this version does not understand. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}

/**
 * Decodes a record.
 *
 * @param versions Those that it may be of; by default this schema's.
 * @throws {RecordError} if it is too short, of another version, or says more text than it has.
 */
export function decodeRecord(view: DataView, versions: readonly number[] = [AEGIS.SCHEMA]): KernelRecord {
  if (view.byteLength < RECORD.text) {
    throw new RecordError(`Expected a record of at least ${RECORD.text} bytes, got ${view.byteLength}`);
  }
  const version = view.getUint16(RECORD.version, true);
  if (!versions.includes(version)) {
    throw new RecordError(`Expected a record of version ${versions.join(" or ")}, got ${version}`);
  }
  const type = TYPES.get(view.getUint8(RECORD.type));
  if (type === undefined) {
    throw new RecordError(`Expected a known type of record, got ${view.getUint8(RECORD.type)}`);
  }
  const flags = view.getUint16(RECORD.flags, true);
  const texts = readTexts(view);
  return {
    type,
    op: view.getUint8(RECORD.op),
    action: view.getUint8(RECORD.action) === ACTION.DENY ? "deny" : "audit",
    backend: view.getUint8(RECORD.backend),
    timeNs: view.getBigUint64(RECORD.time_ns, true),
    total: view.getBigUint64(RECORD.total, true),
    epoch: view.getUint16(RECORD.epoch, true) & 1,
    generation: view.getBigUint64(RECORD.generation, true),
    file: readIdentity(view, RECORD.file),
    ...texts,
    pathIsArgument: (flags & AEGIS.PATH_ARGUMENT) !== 0,
    pathIsPartial: (flags & (AEGIS.PATH_PARTIAL | AEGIS.TEXT_TRUNCATED)) !== 0,
    exe: readIdentity(view, RECORD.exe),
    cgroup: view.getBigUint64(RECORD.cgroup, true),
    rule: view.getUint32(RECORD.rule, true),
    pid: view.getUint32(RECORD.pid, true),
    ppid: view.getUint32(RECORD.ppid, true),
    uid: view.getUint32(RECORD.uid, true),
    gid: view.getUint32(RECORD.gid, true),
    comm: textUntilNul(bytesOf(view, RECORD.comm, RECORD.text - RECORD.comm)),
    startNs: view.getBigUint64(RECORD.start_ns, true),
    ret: view.getInt32(RECORD.ret, true),
  };
}

const TYPES: ReadonlyMap<number, KernelRecord["type"]> = new Map([
  [RECORD_TYPE.DECISION, "decision"],
  [RECORD_TYPE.BOUND, "bound"],
]);

const decoder = new TextDecoder();

function readTexts(view: DataView): Pick<KernelRecord, "path" | "exePath" | "cgroupPath"> {
  const path = view.getUint16(RECORD.path_len, true);
  const exe = view.getUint16(RECORD.exe_len, true);
  const cgroup = view.getUint16(RECORD.cgroup_len, true);
  if (RECORD.text + path + exe + cgroup > view.byteLength) {
    throw new RecordError(
      `Expected text of at most ${view.byteLength - RECORD.text} bytes, got ${path + exe + cgroup}`,
    );
  }
  return {
    path: joinNames(bytesOf(view, RECORD.text, path)),
    exePath: joinNames(bytesOf(view, RECORD.text + path, exe)),
    cgroupPath: joinNames(bytesOf(view, RECORD.text + path + exe, cgroup)) || "/",
  };
}

/** The kernel side writes the names of a path from the last to the first, each ended by a NUL. */
function joinNames(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  const names = decoder.decode(bytes.subarray(0, bytes.length - 1)).split("\0");
  return `/${names.reverse().join("/")}`;
}

function bytesOf(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length);
}
