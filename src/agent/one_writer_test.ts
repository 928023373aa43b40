import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { OneWriter } from "./one_writer.ts";
import { Refusal } from "./refusal.ts";

Deno.test("OneWriter.run() begins a task once the one before it is done, also by failing", async () => {
  const writer = new OneWriter();
  const steps: string[] = [];
  const { promise, reject } = Promise.withResolvers<void>();
  const first = writer.run(async () => {
    steps.push("first begins");
    await promise;
  });
  const second = writer.run(() => {
    steps.push("second");
    return 2;
  });
  await Promise.resolve();
  deepStrictEqual(steps, ["first begins"]);
  reject(new Error("first"));
  await rejects(first, /first/);
  strictEqual(await second, 2);
  deepStrictEqual(steps, ["first begins", "second"]);
});

Deno.test("OneWriter.run() refuses more than 16 at once, and goes on afterwards", async () => {
  const writer = new OneWriter();
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = Array.from({ length: 16 }, () => writer.run(() => promise));
  await rejects(writer.run(() => {}), (error) => error instanceof Refusal && error.exit === 1);
  resolve();
  await Promise.all(waiting);
  strictEqual(await writer.run(() => "again"), "again");
});
