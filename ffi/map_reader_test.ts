import { deepStrictEqual } from "node:assert/strict";
import { BpfMap, MapFlags, MapType } from "./map.ts";
import { MapReader } from "./map_reader.ts";
import "./test_support.ts";

function hashOf(entries: number): BpfMap {
  const flags = MapFlags.NoPrealloc;
  const map = BpfMap.create({
    type: MapType.Hash,
    name: "t",
    keySize: 4,
    valueSize: 8,
    maxEntries: 5000,
    flags,
  });
  for (let key = 0; key < entries; key++) {
    map.update(
      new Uint8Array(Uint32Array.of(key).buffer),
      new Uint8Array(BigUint64Array.of(BigInt(key * 2)).buffer),
    );
  }
  return map;
}

Deno.test("visit() gives each entry once, again and again, whatever was added and removed between", () => {
  using map = hashOf(2500);
  const reader = new MapReader(map);
  const read = () => {
    const found: number[] = [];
    reader.visit((key, value) => {
      const number = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
      deepStrictEqual(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true), BigInt(number * 2));
      found.push(number);
    });
    return found.sort((a, b) => a - b);
  };
  deepStrictEqual(read(), Array.from({ length: 2500 }, (_, i) => i));
  for (let key = 10; key < 2500; key++) map.delete(new Uint8Array(Uint32Array.of(key).buffer));
  deepStrictEqual(read(), Array.from({ length: 10 }, (_, i) => i));
});

Deno.test("visit() gives nothing of an empty map", () => {
  using map = hashOf(0);
  new MapReader(map).visit(() => {
    throw new Error("Expected no entry");
  });
});
