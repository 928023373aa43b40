import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { ACTION, AEGIS, RECORD, RECORD_TYPE } from "../kernel/layout.ts";
import { viewOf } from "../kernel/packed.ts";
import { decodeRecord, type KernelRecord, RecordError } from "./decode.ts";
import { recordBytes, RECORDED } from "./test_support.ts";

/** Decodes a good record with some bytes changed. */
function decodeChanged(change: (view: DataView, bytes: Uint8Array) => void): KernelRecord {
  const bytes = recordBytes();
  change(viewOf(bytes), bytes);
  return decodeRecord(viewOf(bytes));
}

Deno.test("decodeRecord() reads every field, at the ends of their ranges too", () => {
  deepStrictEqual(decodeRecord(viewOf(recordBytes())), RECORDED);
});

Deno.test("decodeRecord() reads a record in the middle of a buffer", () => {
  const bytes = recordBytes();
  const buffer = new Uint8Array(bytes.length + 16).fill(0xee);
  buffer.set(bytes, 8);
  deepStrictEqual(decodeRecord(new DataView(buffer.buffer, 8, bytes.length)), RECORDED);
});

Deno.test("decodeRecord() keeps nothing of the memory that it read from", () => {
  const bytes = recordBytes();
  const record = decodeRecord(viewOf(bytes));
  bytes.fill(0xff);
  deepStrictEqual(record, RECORDED);
});

Deno.test("decodeRecord() tells types, actions and flags apart", () => {
  const of = (offset: number, value: number) => decodeChanged((view) => view.setUint8(offset, value));
  strictEqual(of(RECORD.type, RECORD_TYPE.BOUND).type, "bound");
  strictEqual(of(RECORD.action, ACTION.AUDIT).action, "audit");
  strictEqual(of(RECORD.flags, AEGIS.PATH_ARGUMENT).pathIsArgument, true);
  strictEqual(of(RECORD.flags, AEGIS.PATH_PARTIAL).pathIsPartial, true);
  strictEqual(of(RECORD.flags, AEGIS.TEXT_TRUNCATED).pathIsPartial, true);
});

Deno.test("decodeRecord() gives no path where the record has none, and the root for a cgroup", () => {
  const record = decodeChanged((view) => {
    for (const offset of [RECORD.path_len, RECORD.exe_len, RECORD.cgroup_len]) {
      view.setUint16(offset, 0, true);
    }
  });
  deepStrictEqual([record.path, record.exePath, record.cgroupPath], ["", "", "/"]);
});

Deno.test("decodeRecord() replaces bytes that are not UTF-8", () => {
  strictEqual(decodeChanged((_, bytes) => bytes[RECORD.text] = 0xff).path, "/srv/tls/�ey");
});

Deno.test("decodeRecord() refuses a record that is cut short", () => {
  const bytes = recordBytes();
  for (const length of [0, 1, RECORD.text - 1, RECORD.text, bytes.length - 1]) {
    throws(() => decodeRecord(viewOf(bytes.subarray(0, length))), RecordError, `${length} bytes`);
  }
});

Deno.test("decodeRecord() refuses another version and an unknown type", () => {
  throws(
    () => decodeChanged((view) => view.setUint16(RECORD.version, AEGIS.SCHEMA + 1, true)),
    new RegExp(`^RecordError: Expected a record of version ${AEGIS.SCHEMA}, got ${AEGIS.SCHEMA + 1}$`),
  );
  for (const type of [0, 3, 255]) {
    throws(() => decodeChanged((view) => view.setUint8(RECORD.type, type)), RecordError);
  }
});

Deno.test("decodeRecord() refuses lengths of text that lie", () => {
  for (const offset of [RECORD.path_len, RECORD.exe_len, RECORD.cgroup_len]) {
    throws(() => decodeChanged((view) => view.setUint16(offset, 0xffff, true)), RecordError);
    throws(
      () => decodeChanged((view) => view.setUint16(offset, view.getUint16(offset, true) + 1, true)),
      RecordError,
    );
  }
});

Deno.test("decodeRecord() gives a record or a RecordError, whatever the bytes", () => {
  let refused = 0;
  for (let round = 0; round < 10_000; round++) {
    const bytes = crypto.getRandomValues(new Uint8Array(round % 2 === 0 ? RECORD.text + 64 : round % 200));
    if (round % 4 === 0) {
      // So that some get as far as their texts.
      const view = viewOf(bytes);
      view.setUint16(RECORD.version, AEGIS.SCHEMA, true);
      view.setUint8(RECORD.type, 1 + round / 4 % 2);
      for (const at of [RECORD.path_len, RECORD.exe_len, RECORD.cgroup_len]) {
        view.setUint16(at, view.getUint16(at, true) % 40, true);
      }
    }
    try {
      decodeRecord(viewOf(bytes));
    } catch (error) {
      ok(error instanceof RecordError, `${error} for ${bytes.toHex()}`);
      refused++;
    }
  }
  ok(refused > 5000 && refused < 10_000, `${refused} refused`);
});
