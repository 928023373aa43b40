import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import { beside } from "./guests.ts";

Deno.test("beside() keeps the order, whichever is done first, and runs no more than there are processors", async () => {
  let running = 0, most = 0;
  const found = await beside([3, 1, 2, 0], async (turns) => {
    most = Math.max(most, ++running);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    running--;
    return turns * 10;
  });
  deepStrictEqual(found, [30, 10, 20, 0]);
  ok(most <= navigator.hardwareConcurrency);
});

Deno.test("beside() fails when one does", async () => {
  await rejects(
    beside([1, 2], (item) => item === 2 ? Promise.reject(new Error("no")) : Promise.resolve(item)),
    /no/,
  );
});
