import { deepStrictEqual } from "node:assert/strict";
import { OP } from "../kernel/layout.ts";
import { OPERATIONS } from "./operations.ts";

Deno.test("OPERATIONS has the kernel side's operations in its order", () => {
  const { OPS, ...bits } = OP;
  const names = Object.entries(bits).toSorted(([, a], [, b]) => a - b).map(([name]) => name.toLowerCase());
  deepStrictEqual([...OPERATIONS], names);
  deepStrictEqual(OPERATIONS.length, OPS);
});
