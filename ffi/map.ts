/**
 * BPF maps: create, open, read and write them.
 *
 * @module
 */
import { possibleCpus } from "./cpu.ts";
import { Handle, openId, openPin, readInfo, textAt } from "./handle.ts";
import { cString, SystemError } from "./libc.ts";
import { type LibbpfFunctions } from "./libbpf_symbols.ts";
import { libbpf } from "./library.ts";
import { type BatchOptions, deleteBatch, readEntries, readKeys, updateBatch } from "./map_batch.ts";
import { MappedMemory, pageSize } from "./memory.ts";

/** Types of map in use (`enum bpf_map_type`). */
export const MapType = {
  Hash: 1,
  Array: 2,
  PerCpuHash: 5,
  PerCpuArray: 6,
  LruHash: 9,
  LruPerCpuHash: 10,
  LpmTrie: 11,
  ArrayOfMaps: 12,
  HashOfMaps: 13,
  RingBuffer: 27,
} as const;

/** Flags of `BPF_MAP_CREATE`. */
export const MapFlags = {
  /** Entries of a hash take memory only once they exist. */
  NoPrealloc: 1 << 0,
  /** Programs can only read. */
  ReadOnlyProgram: 1 << 7,
  /** An array that {@linkcode BpfMap.mmap} can map. */
  Mmapable: 1 << 10,
  /** An array that may replace one of another size in a map of maps (kernel 5.10). */
  InnerMap: 1 << 12,
} as const;

/** What {@linkcode BpfMap.update} does about an entry that is there or is not. */
export type UpdateMode = "any" | "noexist" | "exist";

/** How to create a map. */
export interface MapOptions {
  /** One of {@linkcode MapType}. */
  readonly type: number;
  /** Up to 15 characters of `[A-Za-z0-9_.]`; libbpf cuts longer names. */
  readonly name: string;
  /** Bytes of a key; 0 for a ring buffer. */
  readonly keySize: number;
  /** Bytes of a value; 0 for a ring buffer. */
  readonly valueSize: number;
  /** Entries, or bytes of a ring buffer (a power of two, in whole pages). */
  readonly maxEntries: number;
  /** An OR of {@linkcode MapFlags}; 0 by default. */
  readonly flags?: number;
  /** For maps of maps: a map like those that it will hold. */
  readonly innerMapFd?: number;
}

/** What the kernel says about a map. */
export interface MapInfo {
  readonly id: number;
  /** One of {@linkcode MapType}, or another number. */
  readonly type: number;
  readonly name: string;
  /** Bytes. */
  readonly keySize: number;
  /** Bytes; of one CPU's value in a per-CPU map. */
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** A map, held by a file descriptor of its own. */
export class BpfMap extends Handle implements MapInfo {
  readonly id: number;
  readonly type: number;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Bytes of a value as user space sees it: for per-CPU maps, all CPUs' values, each rounded up to 8. */
  readonly userValueSize: number;
  readonly #call: LibbpfFunctions;

  private constructor(fd: number) {
    super(fd, "map");
    try {
      const info = readMapInfo(fd);
      this.id = info.id;
      this.type = info.type;
      this.name = info.name;
      this.keySize = info.keySize;
      this.valueSize = info.valueSize;
      this.maxEntries = info.maxEntries;
      this.flags = info.flags;
      this.userValueSize = this.isPerCpu ? roundUp(info.valueSize, 8) * possibleCpus() : info.valueSize;
      this.#call = libbpf().call;
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Takes over `fd`: disposing of the map closes it.
   *
   * @throws {SystemError} `EBADF` or `EINVAL` if it is not a map.
   */
  static fromFd(fd: number): BpfMap {
    return new BpfMap(fd);
  }

  /**
   * Opens a map by its id.
   *
   * @throws {SystemError} `ENOENT` if there is none.
   */
  static fromId(id: number): BpfMap {
    return new BpfMap(openId("map", id));
  }

  /**
   * Opens a pinned map.
   *
   * @throws {SystemError} `ENOENT` if nothing is pinned there, `EINVAL` if it is not a map.
   */
  static fromPin(path: string): BpfMap {
    return new BpfMap(openPin(path));
  }

  /**
   * Creates a map.
   *
   * @throws {SystemError} `EINVAL` if the kernel does not take the combination, `EPERM`, `ENOMEM`.
   */
  static create(options: MapOptions): BpfMap {
    const bytes = new Uint8Array(new ArrayBuffer(CREATE_OPTIONS_SIZE));
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(CREATE_OPTIONS_SIZE), true);
    view.setUint32(24, options.innerMapFd ?? 0, true);
    view.setUint32(28, options.flags ?? 0, true);
    const { type, name, keySize, valueSize, maxEntries } = options;
    const fd = libbpf().call.bpf_map_create(type, cString(name), keySize, valueSize, maxEntries, bytes);
    if (fd < 0) throw new SystemError(-fd, "bpf_map_create", name);
    return new BpfMap(fd);
  }

  /** Whether each CPU has a value of its own. */
  get isPerCpu(): boolean {
    return this.type === MapType.PerCpuHash || this.type === MapType.PerCpuArray ||
      this.type === MapType.LruPerCpuHash;
  }

  /**
   * Asks the kernel anew.
   *
   * @throws {SystemError} As `BPF_OBJ_GET_INFO_BY_FD`.
   */
  info(): MapInfo {
    return readMapInfo(this.fd);
  }

  /**
   * The value of `key` in new memory, {@linkcode userValueSize} bytes; `undefined` if there is none. A map of maps gives
   * the id of a map, see {@linkcode lookupMap}.
   *
   * @throws {RangeError} If the key is not of {@linkcode keySize} bytes.
   * @throws {SystemError} As `BPF_MAP_LOOKUP_ELEM`.
   */
  lookup(key: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    const value = new Uint8Array(this.userValueSize);
    return this.lookupInto(key, value) ? value : undefined;
  }

  /**
   * Reads the value of `key` into memory of the caller; false if there is none.
   *
   * @throws {RangeError} If the key or the value has the wrong size.
   * @throws {SystemError} As `BPF_MAP_LOOKUP_ELEM`.
   */
  lookupInto(key: Uint8Array, value: Uint8Array): boolean {
    this.#checkKey(key);
    this.#checkValue(value);
    const status = this.#call.bpf_map_lookup_elem(this.fd, key as Bytes, value as Bytes);
    if (status === 0) return true;
    if (status === -ENOENT) return false;
    throw new SystemError(-status, "bpf_map_lookup_elem", this.name);
  }

  /**
   * Writes an entry. The value of a map of maps is the descriptor of a map, see {@linkcode updateMap}.
   *
   * @param mode `"any"` by default; `"noexist"` only adds, `"exist"` only replaces.
   * @throws {RangeError} If the key or the value has the wrong size.
   * @throws {SystemError} `EEXIST` or `ENOENT` as the mode says; `E2BIG` if the map is full.
   */
  update(key: Uint8Array, value: Uint8Array, mode: UpdateMode = "any"): void {
    this.#checkKey(key);
    this.#checkValue(value);
    const flags = mode === "any" ? 0n : mode === "noexist" ? 1n : 2n;
    const status = this.#call.bpf_map_update_elem(this.fd, key as Bytes, value as Bytes, flags);
    if (status !== 0) throw new SystemError(-status, "bpf_map_update_elem", this.name);
  }

  /**
   * Removes an entry; false if there was none.
   *
   * @throws {RangeError} If the key is not of {@linkcode keySize} bytes.
   * @throws {SystemError} `EINVAL` for arrays, whose entries cannot be removed.
   */
  delete(key: Uint8Array): boolean {
    this.#checkKey(key);
    const status = this.#call.bpf_map_delete_elem(this.fd, key as Bytes);
    if (status === 0) return true;
    if (status === -ENOENT) return false;
    throw new SystemError(-status, "bpf_map_delete_elem", this.name);
  }

  /**
   * Opens the map that a map of maps holds at `key`; `undefined` if there is none.
   *
   * @throws {RangeError} If the key is not of {@linkcode keySize} bytes.
   * @throws {SystemError} As {@linkcode lookup} and {@linkcode fromId}.
   */
  lookupMap(key: Uint8Array): BpfMap | undefined {
    const id = this.lookup(key);
    return id && BpfMap.fromId(new DataView(id.buffer).getUint32(0, true));
  }

  /**
   * Puts `inner` at `key` of a map of maps. Programs see the old map or the new one.
   *
   * @throws {RangeError} If the key is not of {@linkcode keySize} bytes.
   * @throws {SystemError} `EINVAL` if `inner` is not like the map that this one was created with.
   */
  updateMap(key: Uint8Array, inner: BpfMap): void {
    this.update(key, new Uint8Array(new Uint32Array([inner.fd]).buffer));
  }

  /**
   * All keys, in no order.
   *
   * @throws {SystemError} See {@linkcode entries}.
   */
  keys(options?: BatchOptions): IterableIterator<Uint8Array<ArrayBuffer>> {
    return readKeys(this, options);
  }

  /**
   * All entries, in no order; keys and values may be kept. What is added or removed meanwhile may or may not be seen,
   * what stays is seen exactly once.
   *
   * @throws {SystemError} `EAGAIN` if, with batches refused, entries vanish faster than they can be walked.
   */
  entries(
    options?: BatchOptions,
  ): IterableIterator<[key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>]> {
    return readEntries(this, options);
  }

  /**
   * Writes `count` entries, present or not; it is not atomic as a whole.
   *
   * @param keys Keys, packed.
   * @param values Values of {@linkcode userValueSize} bytes, packed.
   * @throws {RangeError} If `keys` or `values` is too short for `count`.
   * @throws {SystemError} `E2BIG` if the map is full; entries before the one that failed are written.
   */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number, options?: BatchOptions): void {
    updateBatch(this, keys, values, count, options);
  }

  /**
   * Removes `count` keys; those that are not there are passed over.
   *
   * @returns How many were there.
   * @throws {RangeError} If `keys` is too short for `count`.
   * @throws {SystemError} `EINVAL` for arrays.
   */
  deleteBatch(keys: Uint8Array, count: number, options?: BatchOptions): number {
    return deleteBatch(this, keys, count, options);
  }

  /**
   * Maps the values of a {@linkcode MapFlags.Mmapable} array (`.bss`, `.data`, …) into memory, each rounded up to
   * 8 bytes.
   *
   * @param options `writable`: true by default.
   * @throws {SystemError} `ENOTSUPP` or `EINVAL` if it is not such an array, `EPERM` if it is frozen and to be writable.
   */
  mmap({ writable = true }: { readonly writable?: boolean } = {}): MappedMemory {
    const length = roundUp(roundUp(this.valueSize, 8) * this.maxEntries, pageSize());
    return new MappedMemory(this.fd, { length, writable });
  }

  /**
   * From now on user space cannot write to the map.
   *
   * @throws {SystemError} `EBUSY` if it is mapped for writing; `EBUSY` or, on newer kernels, `EPERM` if it is frozen already.
   */
  freeze(): void {
    const status = this.#call.bpf_map_freeze(this.fd);
    if (status < 0) throw new SystemError(-status, "bpf_map_freeze", this.name);
  }

  #checkKey(key: Uint8Array): void {
    if (key.length !== this.keySize) throw wrongSize("a key", this.keySize, key, this.name);
  }

  #checkValue(value: Uint8Array): void {
    if (value.length !== this.userValueSize) throw wrongSize("a value", this.userValueSize, value, this.name);
  }
}

/**
 * Sum of one u64 over all CPUs.
 *
 * @param value What a per-CPU map holds for a key.
 * @param valueSize {@linkcode BpfMap.valueSize} of the map.
 * @param offset Bytes from the start of each CPU's value.
 */
export function sumPerCpu(value: Uint8Array, valueSize: number, offset = 0): bigint {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const stride = roundUp(valueSize, 8);
  let sum = 0n;
  for (let start = 0; start < value.length; start += stride) sum += view.getBigUint64(start + offset, true);
  return BigInt.asUintN(64, sum);
}

type Bytes = Uint8Array<ArrayBuffer>;

const ENOENT = 2;
/** `struct bpf_map_create_opts`. */
const CREATE_OPTIONS_SIZE = 56;
/** `struct bpf_map_info` up to and with `name`. */
const INFO_SIZE = 40;

function readMapInfo(fd: number): MapInfo {
  const bytes = new Uint8Array(new ArrayBuffer(INFO_SIZE));
  const view = readInfo(fd, bytes);
  return {
    type: view.getUint32(0, true),
    id: view.getUint32(4, true),
    keySize: view.getUint32(8, true),
    valueSize: view.getUint32(12, true),
    maxEntries: view.getUint32(16, true),
    flags: view.getUint32(20, true),
    name: textAt(bytes, 24, 16),
  };
}

function roundUp(size: number, unit: number): number {
  return Math.ceil(size / unit) * unit;
}

function wrongSize(what: string, expected: number, got: Uint8Array, map: string): RangeError {
  return new RangeError(`Expected ${what} of ${expected} bytes for map ${map}, got ${got.length}`);
}
