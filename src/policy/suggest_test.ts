import { strictEqual } from "node:assert/strict";
import { nearest } from "./suggest.ts";

const KEYS = ["id", "paths", "inodes", "deny", "in", "except", "mode", "signal"];

const cases: readonly (readonly [string, string | undefined])[] = [
  ["path", "paths"],
  ["pahts", "paths"],
  ["Paths", "paths"],
  ["inode", "inodes"],
  ["exept", "except"],
  ["exceptions", "except"],
  ["siganl", "signal"],
  ["mdoe", "mode"],
  ["colour", undefined],
  ["", undefined],
  ["x".repeat(100_000), undefined],
];

for (const [word, expected] of cases) {
  Deno.test(`nearest() gives ${expected ?? "nothing"} for ${word.slice(0, 20)}`, () => {
    strictEqual(nearest(word, KEYS), expected);
  });
}
