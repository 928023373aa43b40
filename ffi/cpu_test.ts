import assert from "node:assert/strict";
import { countCpus, possibleCpus } from "./cpu.ts";

Deno.test("countCpus() counts single CPUs and ranges", () => {
  assert.equal(countCpus("0\n"), 1);
  assert.equal(countCpus("0-127\n"), 128);
  assert.equal(countCpus("0,2-3,8-11"), 7);
});

Deno.test("countCpus() throws when it is not a list of CPUs", () => {
  for (const list of ["", "a", "3-1", "0-", "-1"]) assert.throws(() => countCpus(list), RangeError);
});

Deno.test("possibleCpus() is at least the number of CPUs that are on", () => {
  assert.ok(possibleCpus() >= navigator.hardwareConcurrency);
});
