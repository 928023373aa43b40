/**
 * Looks through a large map again and again without leaving garbage behind: what is read goes into the same memory.
 *
 * @module
 */
import { errnoNumber, SystemError } from "./libc.ts";
import { libbpf } from "./library.ts";
import type { BpfMap } from "./map.ts";

/** Called with each entry; both views are only good during the call. */
export type EntryVisitor = (key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>) => void;

/** Reads one hash map. */
export class MapReader {
  readonly #map: BpfMap;
  readonly #keys: Uint8Array<ArrayBuffer>;
  readonly #values: Uint8Array<ArrayBuffer>;
  readonly #views: (readonly [key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>])[] = [];
  readonly #position = new Uint8Array(8);
  readonly #counter = new Uint32Array(1);

  constructor(map: BpfMap) {
    this.#map = map;
    this.#keys = new Uint8Array(map.keySize * CHUNK);
    this.#values = new Uint8Array(map.userValueSize * CHUNK);
  }

  /**
   * Visits all entries, as {@linkcode BpfMap.entries} gives them.
   *
   * @throws {SystemError} As that.
   */
  visit(visitor: EntryVisitor): void {
    const done = this.#visitChunks(visitor);
    if (done) return;
    // No batches here, or a bucket with more entries than a chunk has room for.
    for (const [key, value] of this.#map.entries()) visitor(key, value);
  }

  /** Visits by batches; false where that is not possible, before anything was visited. */
  #visitChunks(visitor: EntryVisitor): boolean {
    const { call } = libbpf();
    const { fd, name } = this.#map;
    const counterBytes = new Uint8Array(this.#counter.buffer);
    for (let first = true;;) {
      this.#counter[0] = CHUNK;
      const status = call.bpf_map_lookup_batch(
        fd,
        first ? null : this.#position,
        this.#position,
        this.#keys,
        this.#values,
        counterBytes,
        OPTIONS,
      );
      if (status !== 0 && status !== -ENOENT) {
        if (first) return false;
        throw new SystemError(-status, "bpf_map_lookup_batch", name);
      }
      const count = this.#counter[0] ?? 0;
      for (let index = 0; index < count; index++) visitor(...this.#viewsOf(index));
      if (status !== 0) return true;
      first = false;
    }
  }

  #viewsOf(index: number): readonly [key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>] {
    const { keySize, userValueSize } = this.#map;
    return this.#views[index] ??= [
      this.#keys.subarray(index * keySize, (index + 1) * keySize),
      this.#values.subarray(index * userValueSize, (index + 1) * userValueSize),
    ];
  }
}

/** Entries of one system call. */
const CHUNK = 1024;
const ENOENT = errnoNumber("ENOENT");
/** `struct bpf_map_batch_opts` without flags. */
const OPTIONS = new Uint8Array(new BigUint64Array([24n, 0n, 0n]).buffer);
