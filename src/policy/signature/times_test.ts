import { strictEqual } from "node:assert/strict";
import { parseTime } from "./times.ts";

Deno.test("parseTime() reads every form that OpenSSH has", () => {
  strictEqual(parseTime("20270601Z"), Date.UTC(2027, 5, 1));
  strictEqual(parseTime("202706011230Z"), Date.UTC(2027, 5, 1, 12, 30));
  strictEqual(parseTime("20270601123045Z"), Date.UTC(2027, 5, 1, 12, 30, 45));
  strictEqual(parseTime("20270601123045UTC"), Date.UTC(2027, 5, 1, 12, 30, 45));
  strictEqual(parseTime("20270601z"), Date.UTC(2027, 5, 1));
  strictEqual(parseTime("20270601"), new Date(2027, 5, 1).getTime());
  strictEqual(parseTime("202706011230"), new Date(2027, 5, 1, 12, 30).getTime());
  strictEqual(parseTime("20270601123045"), new Date(2027, 5, 1, 12, 30, 45).getTime());
  strictEqual(parseTime("20280229Z"), Date.UTC(2028, 1, 29));
});

Deno.test("parseTime() refuses what is no time", () => {
  for (
    const text of [
      ..."|Z|2027|202706|2027060112|2027060112304|20270601T1230Z|2027-06-01|20270631Z|20270229Z".split("|"),
      ..."20271301Z|20270600Z|202706012400Z|202706011260Z|20270601123060Z|19700101Z|19691231Z".split("|"),
      ..."00010101Z|+1d|always|forever|0x5|20270601GMT|20270601ZZ| 20270601".split("|"),
    ]
  ) {
    strictEqual(parseTime(text), undefined, text);
  }
});
