import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type LineTarget, LineWriter } from "./line_writer.ts";

/** Takes at most `most` bytes at once, as a pipe does. */
class SlowTarget implements LineTarget {
  text = "";

  constructor(readonly most: number) {}

  async write(bytes: Uint8Array): Promise<number> {
    await Promise.resolve();
    const part = bytes.subarray(0, this.most);
    this.text += new TextDecoder().decode(part);
    return part.length;
  }
}

Deno.test("LineWriter writes lines whole and in order, however little its target takes at once", async () => {
  const target = new SlowTarget(3);
  const writer = new LineWriter(target);
  for (let i = 0; i < 20; i++) ok(writer.write(`line ${i}`));
  await writer.flush(5000);
  strictEqual(target.text, Array.from({ length: 20 }, (_, i) => `line ${i}\n`).join(""));
  deepStrictEqual([writer.dropped, writer.failure], [0, undefined]);
});

Deno.test("LineWriter never waits for a target that never takes anything, and counts what it drops", async () => {
  const writer = new LineWriter({ write: () => new Promise(() => {}) }, 100);
  ok(writer.write("under way"));
  await Promise.resolve();
  const taken = Array.from({ length: 30 }, () => writer.write("123456789")).filter(Boolean).length;
  strictEqual(taken, 10);
  strictEqual(writer.dropped, 20);
  const started = performance.now();
  await writer.flush(20);
  ok(performance.now() - started < 2000);
});

Deno.test("LineWriter drops a line that is larger than all its room", () => {
  const writer = new LineWriter(new SlowTarget(1000), 10);
  strictEqual(writer.write("x".repeat(10)), false);
  strictEqual(writer.dropped, 1);
});

Deno.test("LineWriter counts the lines that its target refused, and goes on with later ones", async () => {
  let failing = true;
  const target = new SlowTarget(1000);
  const writer = new LineWriter({
    write: (bytes) => failing ? Promise.reject(new Error("no space left")) : target.write(bytes),
  });
  writer.write("lost");
  await writer.flush(5000);
  deepStrictEqual([writer.dropped, writer.failure], [1, "no space left"]);
  deepStrictEqual(writer.drops.entries(), [["failed", 1]]);
  failing = false;
  writer.write("kept");
  await writer.flush(5000);
  deepStrictEqual([target.text, writer.dropped, writer.failure], ["kept\n", 1, undefined]);
});

Deno.test("flush() returns at once when nothing waits", async () => {
  const started = performance.now();
  await new LineWriter(new SlowTarget(1)).flush(60_000);
  ok(performance.now() - started < 1000);
});

Deno.test("LineWriter is behind only until its target has caught up", async () => {
  let release = () => {};
  const writer = new LineWriter({
    write: (bytes) => new Promise((resolve) => release = () => resolve(bytes.length)),
  }, 10);
  ok(writer.write("12345678"));
  await Promise.resolve();
  ok(writer.write("12345678"));
  strictEqual(writer.write("12345678"), false);
  ok(writer.failure);
  deepStrictEqual(writer.drops.entries(), [["behind", 1]]);
  release();
  await new Promise((resolve) => setTimeout(resolve));
  release();
  await writer.flush(5000);
  strictEqual(writer.failure, undefined);
});
