import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { recordNumbers, recordPath } from "../events/record_files.ts";
import { RecordedLines } from "../events/recorded.ts";
import { RecordWriter } from "./record_writer.ts";

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const parent = Deno.makeTempDirSync({ prefix: "aegisbpf-recorder-" });
  try {
    await test(`${parent}/events`);
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
}

function line(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\n`);
}

function linesIn(folder: string): string[] {
  using lines = new RecordedLines(folder);
  return [...lines.take()];
}

async function record(folder: string, ...texts: string[]): Promise<void> {
  const writer = new RecordWriter(folder, { totalBytes: 800 });
  for (const text of texts) await writer.write(line(text));
  await writer.close();
}

Deno.test("RecordWriter makes its folder 0700 and its files 0600, and goes on with the last one", async () => {
  await inFolder(async (folder) => {
    await record(folder, "one");
    await record(folder, "two", "three");
    deepStrictEqual(linesIn(folder), ["one", "two", "three"]);
    deepStrictEqual(recordNumbers(folder), [1]);
    strictEqual((Deno.statSync(folder).mode ?? 0) & 0o777, 0o700);
    strictEqual((Deno.statSync(recordPath(folder, 1)).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("RecordWriter keeps the newest lines, in a bounded number of files of a bounded size", async () => {
  await inFolder(async (folder) => {
    const texts = Array.from({ length: 100 }, (_, i) => `line ${i} ${"x".repeat(30)}`);
    await record(folder, ...texts);
    const numbers = recordNumbers(folder);
    strictEqual(numbers.length, 8);
    let bytes = 0;
    for (const number of numbers) bytes += Deno.statSync(recordPath(folder, number)).size;
    ok(bytes <= 800, `${bytes}`);
    const kept = linesIn(folder);
    deepStrictEqual(kept, texts.slice(-kept.length));
    ok(kept.length >= 14, `${kept.length}`);
  });
});

Deno.test("RecordWriter cuts off the half line, or the zeros, that a power cut leaves", async () => {
  for (const rest of ['{"v":1,"id":"ha', "\0".repeat(70_000)]) {
    await inFolder(async (folder) => {
      await record(folder, "whole");
      Deno.writeTextFileSync(recordPath(folder, 1), rest, { append: true });
      await record(folder, "next");
      deepStrictEqual(linesIn(folder), ["whole", "next"]);
    });
  }
});

Deno.test("RecordWriter begins again where its file or folder was removed", async () => {
  await inFolder(async (folder) => {
    const writer = new RecordWriter(folder, { totalBytes: 800 });
    await writer.write(line("one"));
    Deno.removeSync(folder, { recursive: true });
    await writer.write(line("two"));
    deepStrictEqual(linesIn(folder), ["two"]);
    await writer.close();
  });
});

Deno.test("RecordWriter writes no file that is a symbolic link", async () => {
  await inFolder(async (folder) => {
    Deno.mkdirSync(folder);
    Deno.writeTextFileSync(`${folder}/../target`, "mine");
    Deno.symlinkSync("../target", recordPath(folder, 7));
    await record(folder, "one");
    strictEqual(Deno.readTextFileSync(`${folder}/../target`), "mine");
    deepStrictEqual(linesIn(folder), ["one"]);
    deepStrictEqual(recordNumbers(folder), [7, 8]);
  });
});

Deno.test("RecordWriter refuses at once for a while after a failure, and then tries again", async () => {
  await inFolder(async (folder) => {
    Deno.writeTextFileSync(folder, "in the way");
    const writer = new RecordWriter(folder, { totalBytes: 800 });
    await rejects(writer.write(line("one")));
    Deno.removeSync(folder);
    await rejects(writer.write(line("two")));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await writer.write(line("three"));
    await writer.close();
    deepStrictEqual(linesIn(folder), ["three"]);
  });
});
