/**
 * Reading, writing and removing many entries of a map at a time, with a road for kernels and kinds of map that have no
 * batches.
 *
 * @module
 */
import { errnoNumber, SystemError } from "./libc.ts";
import { libbpf } from "./library.ts";

/** How entries are moved. */
export interface BatchOptions {
  /** False goes entry by entry, as is done by itself where the kernel refuses batches; true by default. */
  readonly batch?: boolean;
}

/** The parts of a map that batches need. */
export interface BatchableMap {
  readonly fd: number;
  readonly name: string;
  readonly type: number;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value in user space. */
  readonly userValueSize: number;
  readonly maxEntries: number;
  lookupInto(key: Uint8Array, value: Uint8Array): boolean;
  update(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): boolean;
}

/** See `BpfMap.entries`. */
export function* readEntries(
  map: BatchableMap,
  options: BatchOptions = {},
): Generator<[key: Bytes, value: Bytes]> {
  const { keySize, userValueSize } = map;
  const chunks = options.batch === false ? undefined : readChunks(map);
  const first = chunks?.next().value;
  if (chunks === undefined || first === undefined) {
    for (const key of walkKeys(map)) {
      const value = new Uint8Array(userValueSize);
      if (map.lookupInto(key, value)) yield [key, value];
    }
    return;
  }
  for (let chunk: Chunk | void = first; chunk !== undefined; chunk = chunks.next().value) {
    for (let index = 0; index < chunk.count; index++) {
      yield [
        chunk.keys.subarray(index * keySize, (index + 1) * keySize),
        chunk.values.subarray(index * userValueSize, (index + 1) * userValueSize),
      ];
    }
  }
}

/** See `BpfMap.keys`. */
export function* readKeys(map: BatchableMap, options: BatchOptions = {}): Generator<Bytes> {
  if (options.batch === false) yield* walkKeys(map);
  else for (const [key] of readEntries(map, options)) yield key;
}

/** See `BpfMap.updateBatch`. */
export function updateBatch(
  map: BatchableMap,
  keys: Uint8Array,
  values: Uint8Array,
  count: number,
  options: BatchOptions = {},
): void {
  const { keySize, userValueSize } = map;
  checkLength("keys", keys, keySize, count, map.name);
  checkLength("values", values, userValueSize, count, map.name);
  const { call } = libbpf();
  let done = 0;
  while (done < count && options.batch !== false) {
    const size = Math.min(CHUNK, count - done);
    counter[0] = size;
    const chunkKeys = keys.subarray(done * keySize) as Bytes;
    const chunkValues = values.subarray(done * userValueSize) as Bytes;
    if (call.bpf_map_update_batch(map.fd, chunkKeys, chunkValues, counterBytes, batchOptions) !== 0) break;
    done += size;
  }
  // Refused or failed: one by one from where the chunk began, which ends in the error of the entry that cannot be
  // written, if there is one.
  for (; done < count; done++) {
    map.update(
      keys.subarray(done * keySize, (done + 1) * keySize),
      values.subarray(done * userValueSize, (done + 1) * userValueSize),
    );
  }
}

/** See `BpfMap.deleteBatch`. */
export function deleteBatch(
  map: BatchableMap,
  keys: Uint8Array,
  count: number,
  options: BatchOptions = {},
): number {
  const { keySize } = map;
  checkLength("keys", keys, keySize, count, map.name);
  const { call } = libbpf();
  let done = 0;
  let deleted = 0;
  while (done < count && options.batch !== false) {
    const size = Math.min(CHUNK, count - done);
    counter[0] = size;
    const status = call.bpf_map_delete_batch(
      map.fd,
      keys.subarray(done * keySize) as Bytes,
      counterBytes,
      batchOptions,
    );
    if (status !== 0 && status !== -ENOENT) break;
    // With ENOENT the counter is that of the keys before the one that is not there.
    deleted += counter[0];
    done += status === 0 ? size : counter[0] + 1;
  }
  for (; done < count; done++) {
    if (map.delete(keys.subarray(done * keySize, (done + 1) * keySize))) deleted++;
  }
  return deleted;
}

type Bytes = Uint8Array<ArrayBuffer>;

interface Chunk {
  readonly keys: Bytes;
  readonly values: Bytes;
  readonly count: number;
}

/** Entries that one system call moves: enough to make its cost small, few enough to keep its buffers so. */
const CHUNK = 10_000;
/** Bytes that one batch may take in user space; per-CPU values of a large machine are kilobytes each. */
const CHUNK_BYTES = 1 << 20;
const ARRAY_OF_MAPS = 12;
const ENOENT = errnoNumber("ENOENT");
const EINTR = errnoNumber("EINTR");
const ENOSPC = errnoNumber("ENOSPC");
const REFUSALS: readonly number[] = (["EINVAL", "ENOTSUPP", "EOPNOTSUPP", "ENOSYS", "EPERM"] as const).map(
  errnoNumber,
);
const MAX_INTERRUPTIONS = 100;

/** Shared by all calls: none of them can be interrupted by another. */
const counter = new Uint32Array(new ArrayBuffer(4)) as Uint32Array<ArrayBuffer> & [number];
const counterBytes = new Uint8Array(counter.buffer);
/** `struct bpf_map_batch_opts` without flags. */
const batchOptions = new Uint8Array(new BigUint64Array([24n, 0n, 0n]).buffer);

/** Batches of entries, at least one; nothing at all where the kernel refuses batches. */
function* readChunks(map: BatchableMap): Generator<Chunk, void> {
  // Kernels before 6.14 take an empty slot for an entry that is just being removed and give up with EINTR.
  if (map.type === ARRAY_OF_MAPS) return;
  const { call } = libbpf();
  const { keySize, userValueSize } = map;
  const affordable = Math.max(64, Math.floor(CHUNK_BYTES / (keySize + userValueSize)));
  let size = Math.min(CHUNK, map.maxEntries, affordable);
  // A hash writes the number of a bucket there, a trie a key.
  const position = new Uint8Array(new ArrayBuffer(Math.max(keySize, 8)));
  let start: Bytes | null = null;
  for (let interruptions = 0;;) {
    const keys = new Uint8Array(size * keySize);
    const values = new Uint8Array(size * userValueSize);
    counter[0] = size;
    const status = call.bpf_map_lookup_batch(
      map.fd,
      start,
      position,
      keys,
      values,
      counterBytes,
      batchOptions,
    );
    if (status === 0 || status === -ENOENT) {
      yield { keys, values, count: counter[0] };
      if (status !== 0) return;
      start = position;
    } else if (status === -ENOSPC) {
      // One bucket holds more entries than there was room for.
      size *= 2;
    } else if (start === null && REFUSALS.includes(-status)) {
      return;
    } else if (status !== -EINTR || ++interruptions > MAX_INTERRUPTIONS) {
      throw new SystemError(-status, "bpf_map_lookup_batch", map.name);
    }
  }
}

/** All keys one by one; when the key that the walk stands on is removed the kernel starts again from the front. */
function* walkKeys(map: BatchableMap): Generator<Bytes> {
  const { call } = libbpf();
  const seen = new Set<string>();
  let current: Bytes | null = null;
  for (let budget = 1000 + 16 * map.maxEntries; budget > 0; budget--) {
    const next: Bytes = new Uint8Array(map.keySize);
    const status = call.bpf_map_get_next_key(map.fd, current, next);
    if (status === -ENOENT) return;
    if (status !== 0) throw new SystemError(-status, "bpf_map_get_next_key", map.name);
    const text = String.fromCharCode(...next);
    if (!seen.has(text)) {
      seen.add(text);
      yield next;
    }
    current = next;
  }
  throw new SystemError(errnoNumber("EAGAIN"), "bpf_map_get_next_key", map.name);
}

function checkLength(what: string, bytes: Uint8Array, size: number, count: number, map: string): void {
  if (bytes.length >= size * count) return;
  throw new RangeError(
    `Expected ${what} of at least ${count} × ${size} bytes for map ${map}, got ${bytes.length} bytes`,
  );
}
