import { ok, strictEqual } from "node:assert/strict";
import { svg } from "./plot.ts";

const ATTRIBUTES = { title: "A & B", x: "rules", y: "ms" };

Deno.test("svg() keeps every point inside of its frame, on both kinds of axes", () => {
  for (const log of [{}, { x: true }, { x: true, y: true }]) {
    const drawn = svg({
      ...ATTRIBUTES,
      log,
      lines: [{ name: "one", points: [[1, 3], [100, 4.5], [5000, 250]] }],
    });
    const points = [...drawn.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map((
      [, x, y],
    ) => [+(x ?? NaN), +(y ?? NaN)]);
    strictEqual(points.length, 4);
    ok(points.every(([x = NaN, y = NaN]) => x >= 0 && x <= 480 && y >= 0 && y <= 280), drawn);
  }
});

Deno.test("svg() draws what does not change, and escapes names", () => {
  const drawn = svg({ ...ATTRIBUTES, lines: [{ name: "a<b", points: [[1, 0], [2, 0]] }] });
  ok(!drawn.includes("NaN"));
  ok(drawn.includes("<title>A &amp; B</title>") && drawn.includes("a&lt;b"));
});
