import { strictEqual } from "node:assert/strict";
import { matchesPattern, matchesPatternList } from "./patterns.ts";

Deno.test("matchesPattern() takes * for any number of characters and ? for one", () => {
  const cases: readonly [text: string, pattern: string, matches: boolean][] = [
    ["alice", "alice", true],
    ["alice", "Alice", false],
    ["alice", "alic", false],
    ["alice", "alice?", false],
    ["alice", "?????", true],
    ["alice", "a*", true],
    ["alice", "*e", true],
    ["alice", "*", true],
    ["alice", "**", true],
    ["alice", "a*c*", true],
    ["alice", "a*x*", false],
    ["alice@example.com", "*@example.com", true],
    ["alice@example.org", "*@example.com", false],
    ["", "", true],
    ["", "*", true],
    ["", "?", false],
    ["a", "", false],
    ["a.b", "a[.]b", false],
    ["aab", "*ab", true],
    ["abab", "*ab?", false],
  ];
  for (const [text, pattern, matches] of cases) strictEqual(matchesPattern(text, pattern), matches, pattern);
});

Deno.test("matchesPattern() takes no longer for many stars", () => {
  const started = performance.now();
  strictEqual(matchesPattern("a".repeat(10_000), "*a".repeat(500) + "b"), false);
  strictEqual(performance.now() - started < 2_000, true);
});

Deno.test("matchesPatternList() needs one that matches and none with ! that does", () => {
  const cases: readonly [text: string, list: string, matches: boolean][] = [
    ["alice", "bob,alice", true],
    ["alice", "bob,carol", false],
    ["alice", "!alice,*", false],
    ["alice", "*,!alice", false],
    ["alice", "*,!bob", true],
    ["alice", "!bob", false],
    ["alice", "", false],
    ["alice", "bob,,alice,", true],
  ];
  for (const [text, list, matches] of cases) strictEqual(matchesPatternList(text, list), matches, list);
});
