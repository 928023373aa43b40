import assert from "node:assert/strict";
import { possibleCpus } from "./cpu.ts";
import { openPath, SystemError } from "./libc.ts";
import { BpfMap, MapFlags, type MapOptions, MapType, sumPerCpu } from "./map.ts";
import { openDescriptors, TemporaryBpffs, u32, u64 } from "./test_support.ts";

const HASH: MapOptions = {
  type: MapType.Hash,
  name: "test_hash",
  keySize: 16,
  valueSize: 8,
  maxEntries: 50_000,
  flags: MapFlags.NoPrealloc,
};
const ARRAY: MapOptions = {
  type: MapType.Array,
  name: "test_array",
  keySize: 4,
  valueSize: 12,
  maxEntries: 3,
};

/** `count` keys of 16 bytes and values of 8, packed. */
function numbered(count: number): { keys: Uint8Array; values: Uint8Array } {
  const keys = new BigUint64Array(2 * count);
  const values = new BigUint64Array(count);
  for (let index = 0; index < count; index++) {
    keys[2 * index] = BigInt(index);
    values[index] = BigInt(index) * 3n;
  }
  return { keys: new Uint8Array(keys.buffer), values: new Uint8Array(values.buffer) };
}

function assertNumbered(map: BpfMap, count: number, batch: boolean): void {
  const seen = new Set<bigint>();
  for (const [key, value] of map.entries({ batch })) {
    const number = new DataView(key.buffer, key.byteOffset).getBigUint64(0, true);
    assert.equal(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true), number * 3n);
    assert.ok(!seen.has(number));
    seen.add(number);
  }
  assert.equal(seen.size, count);
}

Deno.test("BpfMap.create() makes a map that describes itself", () => {
  using map = BpfMap.create(HASH);
  const { type, name, keySize, valueSize, maxEntries, flags } = map.info();
  assert.deepEqual({ type, name, keySize, valueSize, maxEntries, flags }, HASH);
  assert.equal(map.id, map.info().id);
  assert.equal(map.userValueSize, 8);
});

Deno.test("BpfMap.create() throws when the kernel does not take the combination", () => {
  const before = openDescriptors();
  assert.throws(() => BpfMap.create({ ...HASH, keySize: 0 }), {
    name: "SystemError",
    code: "EINVAL",
    syscall: "bpf_map_create",
    subject: "test_hash",
  });
  assert.equal(openDescriptors(), before);
});

Deno.test("BpfMap.lookup() finds what update() wrote, and undefined when it was deleted", () => {
  using map = BpfMap.create(HASH);
  const key = u64(1, 2);
  assert.equal(map.lookup(key), undefined);
  map.update(key, u64(7));
  assert.deepEqual(map.lookup(key), u64(7));
  const value = new Uint8Array(8);
  assert.equal(map.lookupInto(key, value), true);
  assert.deepEqual(value, u64(7));
  assert.equal(map.delete(key), true);
  assert.equal(map.delete(key), false);
  assert.equal(map.lookupInto(key, value), false);
});

Deno.test("BpfMap.lookup() takes a key that is a part of a longer array", () => {
  using map = BpfMap.create(HASH);
  const keys = u64(9, 1, 2, 9);
  map.update(keys.subarray(8, 24), u64(7));
  assert.deepEqual(map.lookup(u64(1, 2)), u64(7));
});

Deno.test("BpfMap.update() adds only or replaces only when it is told so", () => {
  using map = BpfMap.create(HASH);
  const key = u64(1, 2);
  assert.throws(() => map.update(key, u64(1), "exist"), { code: "ENOENT" });
  map.update(key, u64(1), "noexist");
  assert.throws(() => map.update(key, u64(2), "noexist"), { code: "EEXIST", subject: "test_hash" });
  map.update(key, u64(3), "exist");
  assert.deepEqual(map.lookup(key), u64(3));
});

Deno.test("BpfMap.update() throws E2BIG when the map is full", () => {
  using map = BpfMap.create({ ...HASH, maxEntries: 2 });
  map.update(u64(1, 0), u64(1));
  map.update(u64(2, 0), u64(1));
  assert.throws(() => map.update(u64(3, 0), u64(1)), { code: "E2BIG" });
});

Deno.test("BpfMap throws RangeError when a key or value has the wrong size", () => {
  using map = BpfMap.create(HASH);
  assert.throws(() => map.lookup(u32(1)), RangeError);
  assert.throws(() => map.delete(u32(1)), RangeError);
  assert.throws(() => map.update(u64(1, 2), u32(1)), {
    name: "RangeError",
    message: "Expected a value of 8 bytes for map test_hash, got 4",
  });
  assert.throws(() => map.lookupInto(u64(1, 2), new Uint8Array(9)), RangeError);
  assert.throws(() => map.updateBatch(u64(1, 2), u64(1), 2), RangeError);
  assert.throws(() => map.deleteBatch(u64(1, 2), 2), RangeError);
});

Deno.test("BpfMap throws EBADF when it was disposed of", () => {
  const map = BpfMap.create(HASH);
  map[Symbol.dispose]();
  map[Symbol.dispose]();
  assert.throws(() => map.lookup(u64(1, 2)), { code: "EBADF" });
});

Deno.test("BpfMap.delete() throws EINVAL when the map is an array", () => {
  using map = BpfMap.create(ARRAY);
  assert.throws(() => map.delete(u32(0)), { code: "EINVAL", syscall: "bpf_map_delete_elem" });
});

for (const batch of [true, false]) {
  const how = batch ? "in batches" : "when batches are off";

  Deno.test(`BpfMap.updateBatch() writes, entries() reads and deleteBatch() removes ${how}`, () => {
    using map = BpfMap.create(HASH);
    const { keys, values } = numbered(25_000);
    map.updateBatch(keys, values, 25_000, { batch });
    assertNumbered(map, 25_000, batch);
    assert.equal([...map.keys({ batch })].length, 25_000);
    assert.equal(map.deleteBatch(keys, 24_000, { batch }), 24_000);
    assert.equal([...map.entries({ batch })].length, 1000);
    assert.equal(map.deleteBatch(keys, 25_000, { batch }), 1000);
    assert.deepEqual([...map.entries({ batch })], []);
  });

  Deno.test(`BpfMap.deleteBatch() passes over keys that are not there ${how}`, () => {
    using map = BpfMap.create(HASH);
    map.updateBatch(u64(1, 0, 3, 0, 5, 0), u64(1, 3, 5), 3, { batch });
    assert.equal(map.deleteBatch(u64(0, 0, 1, 0, 2, 0, 3, 0, 4, 0), 5, { batch }), 2);
    assert.deepEqual([...map.keys({ batch })], [u64(5, 0)]);
  });

  Deno.test(`BpfMap.updateBatch() throws E2BIG and keeps what fitted ${how}`, () => {
    using map = BpfMap.create({ ...HASH, maxEntries: 10 });
    const { keys, values } = numbered(20);
    assert.throws(() => map.updateBatch(keys, values, 20, { batch }), { code: "E2BIG", name: "SystemError" });
    assertNumbered(map, 10, batch);
  });

  Deno.test(`BpfMap.entries() gives all entries of an array ${how}`, () => {
    using map = BpfMap.create(ARRAY);
    map.update(u32(1), u32(1, 2, 3));
    assert.deepEqual([...map.entries({ batch })], [
      [u32(0), u32(0, 0, 0)],
      [u32(1), u32(1, 2, 3)],
      [u32(2), u32(0, 0, 0)],
    ]);
  });

  Deno.test(`BpfMap.entries() gives what is in a trie ${how}`, () => {
    using map = BpfMap.create({ ...HASH, type: MapType.LpmTrie, name: "trie", keySize: 8 });
    map.update(u32(32, 1), u64(1));
    map.update(u32(16, 2), u64(2));
    assert.deepEqual(
      new Map([...map.entries({ batch })].map(([key, value]) => [key[4], value[0]])),
      new Map([[1, 1], [2, 2]]),
    );
  });

  Deno.test(`BpfMap.entries() ends when entries are removed while it walks ${how}`, () => {
    using map = BpfMap.create(HASH);
    const { keys, values } = numbered(2000);
    map.updateBatch(keys, values, 2000);
    let seen = 0;
    for (const [key] of map.entries({ batch })) {
      seen++;
      map.delete(key);
    }
    assert.equal(seen, 2000);
    assert.deepEqual([...map.keys()], []);
  });

  Deno.test(`BpfMap.entries() reads each CPU's values of a per-CPU hash ${how}`, () => {
    using map = BpfMap.create({ ...HASH, type: MapType.PerCpuHash, valueSize: 12 });
    assert.equal(map.userValueSize, 16 * possibleCpus());
    const value = new Uint8Array(map.userValueSize);
    const view = new DataView(value.buffer);
    for (let cpu = 0; cpu < possibleCpus(); cpu++) view.setBigUint64(16 * cpu, BigInt(cpu + 1), true);
    map.updateBatch(u64(1, 0, 2, 0), new Uint8Array([...value, ...value]), 2, { batch });
    const sums = [...map.entries({ batch })].map(([, value]) => sumPerCpu(value, map.valueSize));
    const expected = BigInt(possibleCpus() * (possibleCpus() + 1) / 2);
    assert.deepEqual(sums, [expected, expected]);
  });
}

Deno.test("BpfMap.entries() gives entries that may be kept", () => {
  using map = BpfMap.create(HASH);
  const { keys, values } = numbered(20_000);
  map.updateBatch(keys, values, 20_000);
  const kept = [...map.entries()];
  assert.equal(
    new Set(kept.map(([key]) => new DataView(key.buffer, key.byteOffset).getBigUint64(0, true))).size,
    20_000,
  );
});

Deno.test("BpfMap.lookup() gives all CPUs' values of a per-CPU array", () => {
  using map = BpfMap.create({ ...ARRAY, type: MapType.PerCpuArray, valueSize: 16 });
  const value = new Uint8Array(map.userValueSize);
  const view = new DataView(value.buffer);
  for (let cpu = 0; cpu < possibleCpus(); cpu++) view.setBigUint64(16 * cpu + 8, 5n, true);
  map.update(u32(2), value);
  const found = map.lookup(u32(2));
  assert.ok(found);
  assert.equal(sumPerCpu(found, map.valueSize, 8), 5n * BigInt(possibleCpus()));
  assert.equal(sumPerCpu(found, map.valueSize), 0n);
});

Deno.test("sumPerCpu() wraps at 64 bits as the kernel's counters do", () => {
  assert.equal(sumPerCpu(u64(0xffff_ffff_ffff_ffffn, 2), 8), 1n);
});

for (const type of [MapType.ArrayOfMaps, MapType.HashOfMaps]) {
  Deno.test(`BpfMap.updateMap() puts a map into a map of maps of type ${type} and lookupMap() opens it`, () => {
    using inner = BpfMap.create(HASH);
    using other = BpfMap.create(ARRAY);
    using outer = BpfMap.create({
      type,
      name: "outer",
      keySize: 4,
      valueSize: 4,
      maxEntries: 2,
      innerMapFd: inner.fd,
    });
    assert.equal(outer.lookupMap(u32(1)), undefined);
    outer.updateMap(u32(1), inner);
    using found = outer.lookupMap(u32(1));
    assert.equal(found?.id, inner.id);
    assert.deepEqual([...outer.entries()], [[u32(1), u32(inner.id)]]);
    assert.throws(() => outer.updateMap(u32(0), other), { code: "EINVAL" });
  });
}

Deno.test("BpfMap.mmap() shows and changes the values of an array", () => {
  using map = BpfMap.create({ ...ARRAY, flags: MapFlags.Mmapable, valueSize: 8 });
  using memory = map.mmap();
  map.update(u32(1), u64(42));
  const words = new BigUint64Array(memory.buffer);
  assert.equal(Atomics.load(words, 1), 42n);
  Atomics.store(words, 2, 43n);
  assert.deepEqual(map.lookup(u32(2)), u64(43));
});

Deno.test("BpfMap.mmap() gives memory that outlives the map and its own disposal while a view exists", () => {
  const map = BpfMap.create({ ...ARRAY, flags: MapFlags.Mmapable, valueSize: 8 });
  const memory = map.mmap();
  const { bytes } = memory;
  map.update(u32(0), u64(42));
  memory[Symbol.dispose]();
  map[Symbol.dispose]();
  assert.throws(() => memory.buffer, TypeError);
  assert.equal(bytes[0], 42);
});

Deno.test("BpfMap.mmap() throws when the map is not made for it", () => {
  using map = BpfMap.create(ARRAY);
  assert.throws(() => map.mmap(), (error) => error instanceof SystemError && error.syscall === "mmap");
});

Deno.test("BpfMap.freeze() ends writing from user space", () => {
  using map = BpfMap.create({ ...ARRAY, flags: MapFlags.Mmapable });
  map.freeze();
  assert.throws(() => map.update(u32(0), new Uint8Array(12)), { code: "EPERM" });
  assert.throws(() => map.mmap(), { code: "EPERM" });
  using _memory = map.mmap({ writable: false });
  assert.throws(
    () => map.freeze(),
    (error) => error instanceof SystemError && /EBUSY|EPERM/.test(error.code),
  );
});

Deno.test("BpfMap.freeze() throws EBUSY when the map is mapped for writing", () => {
  using map = BpfMap.create({ ...ARRAY, flags: MapFlags.Mmapable });
  using _memory = map.mmap();
  assert.throws(() => map.freeze(), { code: "EBUSY" });
});

Deno.test("BpfMap.fromPin() opens what pin() pinned", () => {
  using bpffs = new TemporaryBpffs();
  using map = BpfMap.create(HASH);
  map.pin(bpffs.pin("map"));
  using again = BpfMap.fromPin(bpffs.pin("map"));
  assert.equal(again.id, map.id);
  assert.throws(() => map.pin(bpffs.pin("map")), { code: "EEXIST", syscall: "bpf_obj_pin" });
});

Deno.test("BpfMap.fromPin() throws ENOENT when nothing is pinned there", () => {
  using bpffs = new TemporaryBpffs();
  assert.throws(() => BpfMap.fromPin(bpffs.pin("none")), {
    name: "SystemError",
    code: "ENOENT",
    syscall: "bpf_obj_get",
    subject: bpffs.pin("none"),
  });
});

Deno.test("BpfMap.pin() throws EPERM when the path is not in a BPF file system", () => {
  using map = BpfMap.create(HASH);
  assert.throws(() => map.pin("/tmp/aegisbpf-no-bpffs"), { code: "EPERM" });
});

Deno.test("BpfMap.fromId() opens a map and throws ENOENT when there is none", () => {
  using map = BpfMap.create(HASH);
  using again = BpfMap.fromId(map.id);
  again.update(u64(1, 1), u64(1));
  assert.deepEqual(map.lookup(u64(1, 1)), u64(1));
  assert.throws(() => BpfMap.fromId(0x7fff_ffff), { code: "ENOENT" });
});

Deno.test("BpfMap.fromFd() throws and closes the descriptor when it is no map", () => {
  assert.throws(() => BpfMap.fromFd(9999), { code: "EBADF" });
  const before = openDescriptors();
  const { fd } = openPath("/");
  assert.throws(() => BpfMap.fromFd(fd), { code: "EINVAL" });
  assert.equal(openDescriptors(), before);
});
