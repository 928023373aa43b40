import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { LIMITS } from "./limits.ts";
import { formatKeyPath, formatProblem, ProblemList } from "./problem.ts";

Deno.test("formatProblem() puts the place first and what was expected last", () => {
  const problem = { file: "p.yaml", line: 3, column: 7, path: "rules[0].id", message: "found 7" };
  strictEqual(formatProblem(problem), "p.yaml:3:7: rules[0].id: found 7");
  strictEqual(
    formatProblem({ ...problem, path: "", expected: "a text" }),
    "p.yaml:3:7: found 7; expected a text",
  );
});

Deno.test("formatKeyPath() quotes keys that are not words", () => {
  strictEqual(formatKeyPath(["rules", 2, "paths", 0]), "rules[2].paths[0]");
  strictEqual(formatKeyPath(["scopes", "a b", 1]), 'scopes["a b"][1]');
  strictEqual(formatKeyPath([]), "");
});

Deno.test("ProblemList sorts by place and keeps one problem for a key at a place", () => {
  const list = new ProblemList("f");
  list.add({ line: 2, column: 1 }, ["b"], "second");
  list.add({ line: 1, column: 5 }, ["a"], "first");
  list.add({ line: 1, column: 5 }, ["a"], "follows from the first");
  deepStrictEqual(list.sorted().map(({ message }) => message), ["first", "second"]);
});

Deno.test("ProblemList counts what it has no room for", () => {
  const list = new ProblemList("f");
  for (let line = 1; line <= LIMITS.problems + 5; line++) list.add({ line, column: 1 }, [], "wrong", "right");
  list.omit(2);
  const sorted = list.sorted();
  strictEqual(sorted.length, LIMITS.problems + 1);
  strictEqual(sorted.at(-1)?.message, "there are 7 more problems in this file");
  strictEqual(sorted.at(-1)?.expected, undefined);
  strictEqual(list.count, LIMITS.problems + 7);
});
