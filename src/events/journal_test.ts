import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { DecisionEvent } from "./event.ts";
import { journalEntry } from "./journal.ts";
import { decisionEvent } from "./test_support.ts";
import { messageOf } from "./text.ts";

function entryOf(event: DecisionEvent): Uint8Array<ArrayBuffer> {
  return journalEntry(event, JSON.stringify(event));
}

/** The fields of an entry, read as the journal reads them. */
function fieldsOf(entry: Uint8Array<ArrayBuffer>): Map<string, string> {
  const fields = new Map<string, string>();
  const text = (from: number, to: number) => new TextDecoder().decode(entry.subarray(from, to));
  for (let at = 0; at < entry.length;) {
    const end = entry.indexOf(0x0a, at);
    const equals = entry.subarray(at, end).indexOf(0x3d);
    if (equals >= 0) {
      fields.set(text(at, at + equals), text(at + equals + 1, end));
      at = end + 1;
    } else {
      const length = Number(new DataView(entry.buffer).getBigUint64(end + 1, true));
      fields.set(text(at, end), text(end + 9, end + 9 + length));
      strictEqual(entry[end + 9 + length], 0x0a);
      at = end + 10 + length;
    }
  }
  return fields;
}

Deno.test("journalEntry() has a message, a priority and the whole event", () => {
  const event = decisionEvent();
  const fields = fieldsOf(entryOf(event));
  strictEqual(fields.get("PRIORITY"), "4");
  strictEqual(fields.get("MESSAGE"), messageOf(event));
  deepStrictEqual(JSON.parse(fields.get("AEGISBPF_EVENT") ?? ""), event);
  strictEqual(fields.get("AEGISBPF_INODE"), "8:1:131074:1");
  for (const name of fields.keys()) ok(/^[A-Z][A-Z0-9_]*$/.test(name), name);
});

Deno.test("journalEntry() cannot be made to hold another field by a newline in a name", () => {
  const path = "/tmp/x\nPRIORITY=0\n=é";
  const event = decisionEvent();
  const fields = fieldsOf(entryOf({ ...event, file: { ...event.file, path } }));
  strictEqual(fields.get("AEGISBPF_PATH"), path);
  strictEqual(fields.get("PRIORITY"), "4");
  ok(fields.get("MESSAGE")?.includes(path));
  deepStrictEqual([...fields.keys()].sort(), [...fieldsOf(entryOf(event)).keys()].sort());
});

Deno.test("journalEntry() is less urgent when nothing was refused", () => {
  strictEqual(fieldsOf(entryOf(decisionEvent({ action: "audit" }))).get("PRIORITY"), "5");
});

Deno.test("journalEntry() fits into a datagram with the longest names there are", () => {
  const event = decisionEvent();
  // All the text of a record, in characters that JSON writes as six.
  const path = `/${"\x01".repeat(1279)}`;
  const entry = entryOf({ ...event, file: { ...event.file, path } });
  ok(entry.length < 16 << 10, `${entry.length}`);
});
