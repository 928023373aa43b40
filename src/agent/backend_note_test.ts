import { deepStrictEqual } from "node:assert/strict";
import { readBackendNote, writeBackendNote } from "./backend_note.ts";

const REJECTED = [{ backend: "lsm", reason: "bpf is not in the LSM list" }] as const;

function inFolder(test: (places: { readonly run: string }) => void): void {
  const run = Deno.makeTempDirSync({ prefix: "aegisbpf-note-" });
  try {
    test({ run });
  } finally {
    Deno.removeSync(run, { recursive: true });
  }
}

Deno.test("readBackendNote() gives back why better backends were not taken", () => {
  inFolder((places) => {
    writeBackendNote(places, { backend: "fentry", rejected: REJECTED });
    deepStrictEqual(readBackendNote(places, "fentry"), REJECTED);
  });
});

Deno.test("readBackendNote() is empty when there is no note, or it is of another backend", () => {
  inFolder((places) => {
    deepStrictEqual(readBackendNote(places, "fentry"), []);
    writeBackendNote(places, { backend: "fentry", rejected: REJECTED });
    deepStrictEqual(readBackendNote(places, "tracepoint"), []);
  });
});

Deno.test("readBackendNote() is empty when the note is garbage", () => {
  inFolder((places) => {
    const good = { backend: "lsm", reason: "why" };
    const notes: readonly (readonly [text: string, expected: readonly unknown[]])[] = [
      ["", []],
      ["{", []],
      ["null", []],
      ["5", []],
      ["[]", []],
      ["{}", []],
      [JSON.stringify({ backend: "fentry" }), []],
      [JSON.stringify({ backend: "fentry", rejected: "lsm" }), []],
      [JSON.stringify({ backend: "fentry", rejected: [null, 5, "lsm", {}, good] }), [good]],
      [JSON.stringify({ backend: "fentry", rejected: [{ backend: "other", reason: "x" }, good] }), [good]],
      [JSON.stringify({ backend: "fentry", rejected: [{ backend: "lsm", reason: 5 }] }), []],
    ];
    for (const [text, expected] of notes) {
      Deno.writeTextFileSync(`${places.run}/backend.json`, text);
      deepStrictEqual(readBackendNote(places, "fentry"), expected, text);
    }
  });
});
