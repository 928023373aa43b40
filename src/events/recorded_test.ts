import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { recordPath } from "./record_files.ts";
import { parseEvent, RecordedLines } from "./recorded.ts";
import { decisionEvent } from "./test_support.ts";

function inFolder(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-recorded-" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function append(folder: string, number: number, text: string): void {
  Deno.writeTextFileSync(recordPath(folder, number), text, { append: true });
}

Deno.test("take() gives the lines of all files in order, and later what came since", () => {
  inFolder((folder) => {
    append(folder, 9, "a\nb\n");
    append(folder, 10, "c\n");
    Deno.writeTextFileSync(`${folder}/other`, "x\n");
    using lines = new RecordedLines(folder);
    deepStrictEqual([...lines.take()], ["a", "b", "c"]);
    deepStrictEqual([...lines.take()], []);
    append(folder, 10, "d\n");
    append(folder, 11, "e\n");
    append(folder, 12, "f\n");
    deepStrictEqual([...lines.take()], ["d", "e", "f"]);
    strictEqual(lines.damaged, 0);
  });
});

Deno.test("take() gives a line once it is whole, and counts one that never will be", () => {
  inFolder((folder) => {
    append(folder, 1, "a\nb");
    using lines = new RecordedLines(folder);
    deepStrictEqual([...lines.take()], ["a"]);
    append(folder, 1, "b\ncut o");
    deepStrictEqual([...lines.take()], ["bb"]);
    append(folder, 2, "c\n");
    deepStrictEqual([...lines.take()], ["c"]);
    strictEqual(lines.damaged, 1);
  });
});

Deno.test("take() goes on after files that the recorder removed meanwhile", () => {
  inFolder((folder) => {
    append(folder, 1, "a\n");
    using lines = new RecordedLines(folder);
    deepStrictEqual([...lines.take()], ["a"]);
    append(folder, 1, "b\n");
    Deno.removeSync(recordPath(folder, 1));
    append(folder, 5, "c\n");
    deepStrictEqual([...lines.take()], ["b", "c"]);
  });
});

Deno.test("take() passes over a line that is longer than any event, and over files that are too old", () => {
  inFolder((folder) => {
    append(folder, 1, `${"x".repeat((1 << 20) + 70_000)}\na\n`);
    append(folder, 2, "b\n");
    Deno.utimeSync(recordPath(folder, 2), 1000, 1000);
    using lines = new RecordedLines(folder, { sinceMs: 2_000_000 });
    deepStrictEqual([...lines.take()], ["a"]);
    strictEqual(lines.damaged, 1);
  });
});

Deno.test("take() throws where there is no folder", () => {
  using lines = new RecordedLines("/nonexistent/events");
  throws(() => [...lines.take()], Deno.errors.NotFound);
});

Deno.test("parseEvent() takes an event, also with fields of a later version, and nothing else", () => {
  const event = decisionEvent();
  deepStrictEqual(parseEvent(JSON.stringify({ ...event, later: 1 })), { ...event, later: 1 });
  for (
    const text of ["", "{", "null", "[]", '"x"', '{"v":1}', JSON.stringify({ ...event, v: 2 }), "\0\0"]
      .concat(
        JSON.stringify({ ...event, process: { ...event.process, cgroup: 7 } }),
      )
  ) strictEqual(parseEvent(text), undefined, text);
});
