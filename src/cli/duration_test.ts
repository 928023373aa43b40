import { equal, throws } from "node:assert/strict";
import { durationText, durationWithin } from "./duration.ts";

const parse = durationWithin({ least: 1, most: 366 * 86_400 });

Deno.test("durationWithin() takes days, hours, minutes and seconds", () => {
  const table: readonly (readonly [string, number])[] = [
    ["1s", 1],
    ["90s", 90],
    ["15m", 900],
    ["1h30m", 5400],
    ["7d", 604_800],
    ["1d2h3m4s", 93_784],
  ];
  for (const [text, seconds] of table) equal(parse(text), seconds, text);
});

Deno.test("durationWithin() refuses what is no time, and what is out of bounds", () => {
  for (const text of ["", "1", "h", "-1s", "1.5h", "1 h", "1m1h", "1y", "1H", "٣s", "99999999d"]) {
    throws(() => parse(text), /such as 90s/, text);
  }
  for (const text of ["0s", "367d", "999999d"]) throws(() => parse(text), /from 1s to 366d/, text);
});

Deno.test("durationText() gives the two largest units", () => {
  equal(durationText(0), "0s");
  equal(durationText(59.2), "1m");
  equal(durationText(5400), "1h30m");
  equal(durationText(93_784), "1d2h");
});
