/**
 * The kernel side's global state, shared as memory: the word that says which policy set is in force, what the
 * two sets are, the deadlines and the filters. Everything is read by programs while it is written here, so what a
 * decision rests on at once is one word, stored atomically.
 *
 * @module
 */
import type { MappedMemory } from "../../ffi/memory.ts";
import { AEGIS, BTRFS, CONTROL, SET, STATE, TOLD } from "./layout.ts";
import { type Identity, readIdentity } from "./packed.ts";

/** What a set's slot says about the policy in it. */
export interface SetInfo {
  /** Counts applied sets; 0n is an empty slot. */
  readonly generation: bigint;
  readonly serial: bigint;
  /** SHA-256 of the policy's exact bytes, lower-case hexadecimal. */
  readonly sha256: string;
  /** At most 63 bytes; longer names are cut. */
  readonly name: string;
  readonly rules: number;
  readonly entries: number;
  /** The deepest cgroup level that the set names. */
  readonly cgroupDepth: number;
  /** Whether the policy's own mode is enforce. */
  readonly enforce: boolean;
  /** When it was applied: Unix time in nanoseconds. */
  readonly appliedNs: bigint;
}

/** The index of a policy set. */
export type SetIndex = 0 | 1;

/** Global state of the kernel side, in memory that it shares. */
export class Control {
  readonly #view: DataView<ArrayBuffer>;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #longs: BigInt64Array<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  /** `memory` maps the `.bss.state` of the object. */
  constructor(memory: MappedMemory) {
    this.#view = new DataView(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
    this.#longs = new BigInt64Array(memory.buffer, 0, memory.buffer.byteLength >>> 3);
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** The word that every decision begins with: `AEGIS.LIVE_*`. */
  get live(): number {
    return Atomics.load(this.#words, LIVE) >>> 0;
  }

  set live(word: number) {
    Atomics.store(this.#words, LIVE, word | 0);
  }

  /** The word that comes back when a policy was not confirmed in time. */
  get previous(): number {
    return Atomics.load(this.#words, (STATE.control + CONTROL.previous) >>> 2) >>> 0;
  }

  set previous(word: number) {
    Atomics.store(this.#words, (STATE.control + CONTROL.previous) >>> 2, word | 0);
  }

  /** Sets or clears bits of the live word without losing what the kernel side sets at the same time. */
  changeLive({ set = 0, clear = 0 }: { readonly set?: number; readonly clear?: number }): void {
    if (set !== 0) Atomics.or(this.#words, LIVE, set);
    if (clear !== 0) Atomics.and(this.#words, LIVE, ~clear);
  }

  /** Not 0 after a directory came to stand at a rule's place with what it holds. */
  get moved(): number {
    return Atomics.load(this.#words, MOVED) >>> 0;
  }

  /** Says that the places have been looked at since `moved` was this; a later move stays to be looked at. */
  settleMoved(moved: number): void {
    Atomics.compareExchange(this.#words, MOVED, moved | 0, 0);
  }

  /** Which map flows are counted in: bit 0; it only grows. */
  get epoch(): number {
    return Atomics.load(this.#words, EPOCH) >>> 0;
  }

  set epoch(epoch: number) {
    Atomics.store(this.#words, EPOCH, epoch | 0);
  }

  /** Deadline for confirmation, `CLOCK_BOOTTIME` nanoseconds. */
  get confirmUntilNs(): bigint {
    return this.#long(CONTROL.confirm_until_ns);
  }

  set confirmUntilNs(ns: bigint) {
    this.#storeLong(CONTROL.confirm_until_ns, ns);
  }

  /** End of an emergency stop, `CLOCK_BOOTTIME` nanoseconds. */
  get emergencyUntilNs(): bigint {
    return this.#long(CONTROL.emergency_until_ns);
  }

  set emergencyUntilNs(ns: bigint) {
    this.#storeLong(CONTROL.emergency_until_ns, ns);
  }

  /** Time in which a flow gets at most one record, in nanoseconds. */
  get coalesceNs(): bigint {
    return this.#long(CONTROL.coalesce_ns);
  }

  set coalesceNs(ns: bigint) {
    this.#storeLong(CONTROL.coalesce_ns, ns);
  }

  /** When the agent was last seen alive, `CLOCK_BOOTTIME` nanoseconds; 0n: never. */
  get heartbeatNs(): bigint {
    return this.#long(CONTROL.heartbeat_ns);
  }

  set heartbeatNs(ns: bigint) {
    this.#storeLong(CONTROL.heartbeat_ns, ns);
  }

  /** The agent's process id, as it saw itself. */
  get agentPid(): number {
    return this.#view.getUint32(STATE.control + CONTROL.agent_pid, true);
  }

  set agentPid(pid: number) {
    this.#view.setUint32(STATE.control + CONTROL.agent_pid, pid, true);
  }

  /** Number of the backend, as in `BACKEND`. */
  get backend(): number {
    return this.#view.getUint32(STATE.control + CONTROL.backend, true);
  }

  set backend(backend: number) {
    this.#view.setUint32(STATE.control + CONTROL.backend, backend, true);
  }

  /** Sets bits of the word under which a set decides, if it does, or may again. */
  addBits(index: SetIndex, bits: number): void {
    if (this.liveIndex() === index) this.changeLive({ set: bits });
    else if ((this.live & AEGIS.LIVE_CONFIRM) !== 0) this.previous |= bits;
  }

  /** The word that decisions are made by at a time: the one before, once nobody has confirmed in time. */
  wordAt(nowNs: bigint): number {
    const { live } = this;
    const isOver = (live & AEGIS.LIVE_CONFIRM) !== 0 && nowNs >= this.confirmUntilNs;
    return isOver ? this.#before(live) : live;
  }

  /** Makes `word` the live one until a deadline (`CLOCK_BOOTTIME` nanoseconds), at which the present one comes back. */
  tryUntil(word: number, deadlineNs: bigint): void {
    this.previous = this.live & ~(AEGIS.LIVE_CONFIRM | AEGIS.LIVE_EMERGENCY);
    this.confirmUntilNs = deadlineNs;
    this.live = word | AEGIS.LIVE_CONFIRM;
  }

  /** Lets the word that waits for confirmation stay. */
  confirm(): void {
    this.changeLive({ clear: AEGIS.LIVE_CONFIRM });
  }

  /** Brings the word before the one that waits for confirmation back. */
  revert(): void {
    const { live } = this;
    if ((live & AEGIS.LIVE_CONFIRM) !== 0) this.live = this.#before(live);
  }

  /** An emergency stop is not part of either policy. */
  #before(live: number): number {
    return ((this.previous & ~AEGIS.LIVE_EMERGENCY) | (live & AEGIS.LIVE_EMERGENCY)) >>> 0;
  }

  /** The index in a live word, by default in the present one. */
  liveIndex(word: number = this.live): SetIndex {
    return (word & AEGIS.LIVE_SET) as SetIndex;
  }

  /** What stands in a slot. */
  setInfo(index: SetIndex): SetInfo {
    const at = STATE.control + CONTROL.sets + index * SET.SIZE;
    const name = this.#bytes.slice(at + SET.name, at + SET.name + NAME_SIZE);
    const end = name.indexOf(0);
    return {
      generation: this.#view.getBigUint64(at + SET.generation, true),
      serial: this.#view.getBigUint64(at + SET.serial, true),
      sha256: this.#bytes.slice(at + SET.sha256, at + SET.sha256 + 32).toHex(),
      name: new TextDecoder().decode(name.subarray(0, end < 0 ? NAME_SIZE : end)),
      rules: this.#view.getUint32(at + SET.rules, true),
      entries: this.#view.getUint32(at + SET.entries, true),
      cgroupDepth: this.#view.getUint32(at + SET.cgroup_depth, true),
      enforce: this.#view.getUint32(at + SET.enforce, true) !== 0,
      appliedNs: this.#view.getBigUint64(at + SET.applied_ns, true),
    };
  }

  /** Describes a slot that is not in force. */
  writeSetInfo(index: SetIndex, info: SetInfo): void {
    const at = STATE.control + CONTROL.sets + index * SET.SIZE;
    const name = new Uint8Array(NAME_SIZE);
    new TextEncoder().encodeInto(info.name, name.subarray(0, NAME_SIZE - 1));
    this.#view.setBigUint64(at + SET.generation, info.generation, true);
    this.#view.setBigUint64(at + SET.serial, info.serial, true);
    this.#bytes.set(Uint8Array.fromHex(info.sha256), at + SET.sha256);
    this.#bytes.set(name, at + SET.name);
    this.#view.setUint32(at + SET.rules, info.rules, true);
    this.#view.setUint32(at + SET.entries, info.entries, true);
    this.#view.setUint32(at + SET.cgroup_depth, info.cgroupDepth, true);
    this.#view.setUint32(at + SET.enforce, info.enforce ? 1 : 0, true);
    this.#view.setBigUint64(at + SET.applied_ns, info.appliedNs, true);
  }

  /** Empties the filters of a set that is not in force. */
  clearFilters(index: SetIndex): void {
    const files = STATE.file_filter + index * FILE_FILTER_SIZE;
    const directories = STATE.dir_filter + index * DIR_FILTER_SIZE;
    this.#bytes.fill(0, files, files + FILE_FILTER_SIZE);
    this.#bytes.fill(0, directories, directories + DIR_FILTER_SIZE);
    const places = STATE.place_filter + index * PLACE_FILTER_SIZE;
    this.#bytes.fill(0, places, places + PLACE_FILTER_SIZE);
  }

  /** Lets files with this inode number through a set's filter to the look-up. */
  admitFile(index: SetIndex, ino: bigint): void {
    this.#bytes[STATE.file_filter + index * FILE_FILTER_SIZE + filterSlot(ino, AEGIS.FILE_FILTER_BITS)] = 1;
  }

  /** The same for directories. */
  admitDirectory(index: SetIndex, ino: bigint): void {
    this.#bytes[STATE.dir_filter + index * DIR_FILTER_SIZE + filterSlot(ino, AEGIS.DIR_FILTER_BITS)] = 1;
  }

  /** The same for directories that stand at places. */
  admitPlace(index: SetIndex, ino: bigint): void {
    this.#bytes[STATE.place_filter + index * PLACE_FILTER_SIZE + filterSlot(ino, AEGIS.PLACE_FILTER_BITS)] =
      1;
  }

  /** Says where btrfs keeps an inode's subvolume: from the inode back to its root, and from there to the root's number. */
  set btrfs({ rootBefore, rootId }: { readonly rootBefore: number; readonly rootId: number }) {
    this.#view.setUint32(STATE.btrfs + BTRFS.root_id, rootId, true);
    Atomics.store(this.#words, (STATE.btrfs + BTRFS.root_before) >>> 2, rootBefore);
  }

  /** Whether {@linkcode btrfs} has been said. */
  get knowsBtrfs(): boolean {
    return Atomics.load(this.#words, (STATE.btrfs + BTRFS.root_before) >>> 2) !== 0;
  }

  /** The answer to the last question about a file; `magic`: its file system's, as `statfs(2)` has it. */
  told(): {
    readonly identity: Identity;
    readonly mode: number;
    readonly links: number;
    readonly magic: bigint;
    readonly seen: bigint;
  } {
    return {
      identity: readIdentity(this.#view, STATE.told + TOLD.id),
      mode: this.#view.getUint32(STATE.told + TOLD.mode, true),
      links: this.#view.getUint32(STATE.told + TOLD.nlink, true),
      magic: this.#view.getBigUint64(STATE.told_magic, true),
      seen: this.#view.getBigUint64(STATE.told + TOLD.seen, true),
    };
  }

  #long(offset: number): bigint {
    return BigInt.asUintN(64, Atomics.load(this.#longs, (STATE.control + offset) >>> 3));
  }

  #storeLong(offset: number, value: bigint): void {
    Atomics.store(this.#longs, (STATE.control + offset) >>> 3, BigInt.asIntN(64, value));
  }
}

/**
 * The byte of a filter that stands for an inode number: a multiplicative hash, as `filter_slot` in bpf/decide.h.
 * Knuth, The Art of Computer Programming 3, section 6.4.
 */
export function filterSlot(ino: bigint, bits: number): number {
  return Number(BigInt.asUintN(64, ino * FILTER_FACTOR) >> BigInt(64 - bits));
}

const LIVE = (STATE.control + CONTROL.live) >>> 2;
const EPOCH = (STATE.control + CONTROL.epoch) >>> 2;
const NAME_SIZE = SET.rules - SET.name;
const FILE_FILTER_SIZE = 1 << AEGIS.FILE_FILTER_BITS;
const MOVED = (STATE.control + CONTROL.moved) >>> 2;
const PLACE_FILTER_SIZE = 1 << AEGIS.PLACE_FILTER_BITS;
const DIR_FILTER_SIZE = 1 << AEGIS.DIR_FILTER_BITS;
/** `AEGIS_FILTER_FACTOR`: 2^64 divided by the golden ratio. */
const FILTER_FACTOR = 0x9e3779b97f4a7c15n;
