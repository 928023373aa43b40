import { equal, throws } from "node:assert/strict";
import { counted, printable, styleOf, writeAll } from "./output.ts";

Deno.test("writeAll() goes on where a short write ended", () => {
  const written: number[] = [];
  const writeSync = (bytes: Uint8Array) => {
    written.push(...bytes.subarray(0, 2));
    return Math.min(2, bytes.length);
  };
  writeAll({ writeSync }, Uint8Array.of(1, 2, 3, 4, 5));
  equal(written.join(), "1,2,3,4,5");
});

Deno.test("writeAll() waits when a non-blocking reader is slow", () => {
  let attempts = 0;
  const writeSync = (bytes: Uint8Array) => {
    if (++attempts < 3) throw new Deno.errors.WouldBlock();
    return bytes.length;
  };
  writeAll({ writeSync }, Uint8Array.of(1));
  equal(attempts, 3);
});

Deno.test("writeAll() is quiet when the reader has gone, and throws when the disk is full", () => {
  writeAll({
    writeSync: () => {
      throw new Deno.errors.BrokenPipe();
    },
  }, Uint8Array.of(1));
  throws(() =>
    writeAll({
      writeSync: () => {
        throw new Error("No space left on device");
      },
    }, Uint8Array.of(1)), /cannot write the result: No space left/);
});

Deno.test("printable() lets no control character through", () => {
  equal(printable("a\x1b[31m\nb\x9b\u202ec é"), "a\\u001b[31m\\u000ab\\u009b\\u202ec é");
});

Deno.test("styleOf() colours only when asked to", () => {
  equal(styleOf(false).bad("x"), "x");
  equal(styleOf(true).bad("x"), "\x1b[31mx\x1b[0m");
});

Deno.test("counted() knows the plural", () => {
  equal(counted(1, "rule"), "1 rule");
  equal(counted(0, "rule"), "0 rules");
});
