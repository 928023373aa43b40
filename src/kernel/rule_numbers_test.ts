import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { RuleNumbers } from "./rule_numbers.ts";
import { TestKernel } from "./test_support.ts";

Deno.test("RuleNumbers gives an id one number for good, across agents", () => {
  using kernel = new TestKernel();
  const map = kernel.state.maps.rule_names;
  const first = new RuleNumbers(map);
  deepStrictEqual(first.of(["a", "b"]), [1, 2]);
  deepStrictEqual(first.of(["b", "c", "a"]), [2, 3, 1]);
  const second = new RuleNumbers(map);
  deepStrictEqual(second.of(["c", "d", "a"]), [3, 4, 1]);
  deepStrictEqual([1, 2, 3, 4].map((number) => second.nameOf(number)), ["a", "b", "c", "d"]);
});

Deno.test("RuleNumbers keeps the longest id whole, and ids that are not ASCII", () => {
  using kernel = new TestKernel();
  const ids = ["x".repeat(63), "schlüssel"];
  new RuleNumbers(kernel.state.maps.rule_names).of(ids);
  const again = new RuleNumbers(kernel.state.maps.rule_names);
  deepStrictEqual(ids.map((_, index) => again.nameOf(index + 1)), ids);
});

Deno.test("RuleNumbers asks nothing of the kernel when all ids are known", () => {
  using kernel = new TestKernel();
  const numbers = new RuleNumbers(kernel.state.maps.rule_names);
  deepStrictEqual(numbers.of([]), []);
  numbers.of(["a"]);
  numbers.of(["a"]);
  strictEqual([...kernel.state.maps.rule_names.keys()].length, 1);
  strictEqual(numbers.nameOf(2), undefined);
});

Deno.test("RuleNumbers gives out thousands of numbers at once", () => {
  using kernel = new TestKernel();
  const ids = Array.from({ length: 20_000 }, (_, index) => `rule-${index}`);
  const numbers = new RuleNumbers(kernel.state.maps.rule_names);
  strictEqual(new Set(numbers.of(ids)).size, ids.length);
  strictEqual(new RuleNumbers(kernel.state.maps.rule_names).of(["rule-19999"])[0], 20_000);
});
