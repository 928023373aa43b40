import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { comparison, limitText, missed, type Row, shown, signed, table } from "./rows.ts";

const bare: Row = { key: "bare", text: "without", value: 10_000, unit: "instructions" };
const row = (value: number, limit?: Row["limit"]): Row => ({
  ...{ key: "with", text: "with it", value, unit: "instructions", baseline: "bare" },
  ...(limit ? { limit } : {}),
});

Deno.test("comparison() tells what a row is over its baseline", () => {
  deepStrictEqual(comparison(row(10_200), [bare]), { over: 200, percent: 2 });
  strictEqual(comparison(bare, [bare]), undefined);
  throws(() => comparison(row(1), []), /expected a row bare/);
});

Deno.test("missed() names the limit that a row misses", () => {
  for (
    const [value, limit, expected] of [
      [10_260, { over: 260 }, undefined],
      [10_261, { over: 260 }, "more than 260 over its baseline"],
      [10_200, { percent: 2 }, undefined],
      [10_201, { percent: 2 }, "more than 2 % over its baseline"],
      [10_000, { max: 9999 }, "more than 9,999"],
      [10_000, { min: 10_001 }, "less than 10,001"],
      [NaN, { max: 1 }, "no number"],
      [10_000, undefined, undefined],
    ] as const
  ) strictEqual(missed(row(value, limit), [bare]), expected);
});

Deno.test("shown() and signed() keep three digits", () => {
  deepStrictEqual([0, 5, 1234.56, 12.345, 0.01234].map(shown), ["0", "5", "1,235", "12.3", "0.012"]);
  deepStrictEqual([-3, 216.4].map(signed), ["−3", "+216"]);
});

Deno.test("limitText() is short, and empty without a limit", () => {
  strictEqual(limitText(undefined), "");
  strictEqual(limitText({ min: 0, max: 0 }), "0");
  strictEqual(limitText({ over: 260, percent: 2 }), "+260, +2 %");
});

Deno.test("table() has a line for each row, and marks those that miss", () => {
  const lines = table([bare, row(11_000, { percent: 2 })]).split("\n");
  strictEqual(lines.length, 3);
  deepStrictEqual(lines.map((line) => line.endsWith("MISSED")), [false, false, true]);
});
