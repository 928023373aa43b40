/**
 * BPF maps: create, open, read and write them.
 *
 * @module
 */
import type { MappedMemory } from "./memory.ts";

const unfinished = (): never => {
  throw new Error("not filled in");
};

/** Types of map in use (`enum bpf_map_type`). */
export const MapType = {
  Hash: 1,
  Array: 2,
  PerCpuHash: 5,
  PerCpuArray: 6,
  LruHash: 9,
  LpmTrie: 11,
  ArrayOfMaps: 12,
  HashOfMaps: 13,
  RingBuffer: 27,
} as const;

/** Flags of `BPF_MAP_CREATE`. */
export const MapFlags = {
  NoPrealloc: 1 << 0,
  ReadOnlyProgram: 1 << 7,
  Mmapable: 1 << 10,
  InnerMap: 1 << 12,
} as const;

/** What {@linkcode BpfMap.update} does about an entry that is there or is not. */
export type UpdateMode = "any" | "noexist" | "exist";

/** How to create a map. */
export interface MapOptions {
  /** One of {@linkcode MapType}. */
  readonly type: number;
  /** Up to 15 characters of `[A-Za-z0-9_.]`; longer names are cut. */
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
  readonly type: number;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** A map, held by a file descriptor of its own. */
export class BpfMap implements Disposable {
  /** Takes over `fd`: disposing of the map closes it. */
  static fromFd(_fd: number): BpfMap {
    return unfinished();
  }
  static fromId(_id: number): BpfMap {
    return unfinished();
  }
  /** @throws {SystemError} `ENOENT` if nothing is pinned there, `EINVAL` if it is not a map. */
  static fromPin(_path: string): BpfMap {
    return unfinished();
  }
  static create(_options: MapOptions): BpfMap {
    return unfinished();
  }
  get fd(): number {
    return unfinished();
  }
  get id(): number {
    return unfinished();
  }
  get type(): number {
    return unfinished();
  }
  get name(): string {
    return unfinished();
  }
  get keySize(): number {
    return unfinished();
  }
  /** Bytes of one value as the kernel declares it. */
  get valueSize(): number {
    return unfinished();
  }
  /** Bytes of a value as user space sees it: for per-CPU maps, all CPUs' values, each rounded up to 8. */
  get userValueSize(): number {
    return unfinished();
  }
  get maxEntries(): number {
    return unfinished();
  }
  get isPerCpu(): boolean {
    return unfinished();
  }
  /** Asks the kernel anew. */
  info(): MapInfo {
    return unfinished();
  }
  /** The value of `key` in new memory; `undefined` if there is none. */
  lookup(_key: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    return unfinished();
  }
  /** Like `lookup`, into memory of the caller: no allocation. */
  lookupInto(_key: Uint8Array, _value: Uint8Array): boolean {
    return unfinished();
  }
  /** @throws {SystemError} `EEXIST`, `ENOENT` as the mode says; `E2BIG` if the map is full. */
  update(_key: Uint8Array, _value: Uint8Array, _mode?: UpdateMode): void {
    return unfinished();
  }
  /** False if there was no such key. */
  delete(_key: Uint8Array): boolean {
    return unfinished();
  }
  keys(): IterableIterator<Uint8Array<ArrayBuffer>> {
    return unfinished();
  }
  entries(): IterableIterator<[key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>]> {
    return unfinished();
  }
  /** `keys` and `values` hold `count` keys and values, packed. */
  updateBatch(_keys: Uint8Array, _values: Uint8Array, _count: number): void {
    return unfinished();
  }
  /** Number of keys that were there and are gone. */
  deleteBatch(_keys: Uint8Array, _count: number): number {
    return unfinished();
  }
  /** @throws {SystemError} `EEXIST` if the path is taken. */
  pin(_path: string): void {
    return unfinished();
  }
  /** Maps the values of a `BPF_F_MMAPABLE` array (`.bss`, `.data`, …) into memory. */
  mmap(_options?: { readonly writable?: boolean }): MappedMemory {
    return unfinished();
  }
  /** From now on user space cannot write to the map. */
  freeze(): void {
    return unfinished();
  }
  [Symbol.dispose](): void {}
}

/** Sum of the u64 at `offset` of each CPU's value in a per-CPU value. */
export function sumPerCpu(_value: Uint8Array, _valueSize: number, _offset?: number): bigint {
  return unfinished();
}
