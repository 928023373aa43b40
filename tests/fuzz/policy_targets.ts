/**
 * Fuzzes the policy parser and the importer of INI policies.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { sameInParts } from "../../src/policy/compose_check.ts";
import { diffPolicies } from "../../src/policy/diff.ts";
import { exportPolicy } from "../../src/policy/export.ts";
import { BUNDLE_MARK, INI_SECTIONS, looksLikeIni } from "../../src/policy/ini.ts";
import { importIni } from "../../src/policy/ini_import.ts";
import { LIMITS } from "../../src/policy/limits.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { formatProblem, type Problem } from "../../src/policy/problem.ts";
import { randomPolicy } from "../../src/policy/random_policy.ts";
import { Random, withoutLines } from "../../src/policy/testing.ts";
import { corpusOf } from "./corpus.ts";
import type { Target } from "./targets.ts";

/** What is accepted is exported and read again as the same policy; what is refused has problems with places. */
export const policy: Target = {
  corpus: [...corpusOf("policy"), ...Array.from({ length: 20 }, (_, index) => exported(index + 1))],
  pieces: [
    ..."\n \t#{}[],:'\"|>?-/\\*&!%@`~=\0",
    ..."version: |name: |serial: |expires: |mode: |scopes: |allow: |rules:\n|cgroups: |id: |paths: ".split(
      "|",
    ),
    ..."inodes: |deny: |in: |except: |exe: |uids: |signal: |enforce|audit|id:1|8:1:2|/**|read".split("|"),
    ..."---\n|...\n|\r\n|- |\ufeff|\u2028|__proto__: |toString: |<<: |0x1f|1e9|null|!!binary ".split("|"),
    "  - {id: x, paths: [/x]}\n",
    "18446744073709551616",
    "9007199254740993",
  ],
  run: (input) => {
    if (input.length < 1 << 16) sameInParts(new TextDecoder().decode(input));
    const result = parsePolicy(input, "f");
    if (!result.ok) return outcomeOf(result.problems, input);
    const text = exportPolicy(result.policy);
    const again = parsePolicy(text, "g");
    ok(again.ok, "an exported policy is valid");
    deepStrictEqual(withoutLines(again.policy), withoutLines(result.policy));
    strictEqual(exportPolicy(again.policy), text);
    deepStrictEqual(diffPolicies(result.policy, again.policy), []);
    return `accepted ${outcomeOf(result.warnings, input, 0)}`;
  },
};

/** What is imported is a valid policy; what is not has problems with places. */
export const ini: Target = {
  corpus: corpusOf("ini"),
  pieces: [
    ...Object.keys(INI_SECTIONS).map((name) => `\n[${name}]\n`),
    ..."1234567".split("").map((version) => `version=${version}\n`),
    ..."\n[]#:=/ \t\r\v\0".split(""),
    ..."/etc/shadow\n|cgid:5\n|8388609:5\n|/a 1:2\n|---\n|..|/./|//|*|\ufeff|\u2028|18446744073709551616"
      .split("|"),
    `${BUNDLE_MARK}\n`,
  ],
  run: (input) => {
    looksLikeIni(new TextDecoder().decode(input));
    // Every way of calling it, the input deciding which.
    const skipUnsupported = input.length % 2 === 0;
    const unsignedBody = input.length % 3 === 0;
    const result = importIni(input, "f\u2028", { name: "p", serial: 1, skipUnsupported, unsignedBody });
    if (!result.ok) return outcomeOf(result.problems, input);
    ok(parsePolicy(result.text, "g").ok, "an imported policy is valid");
    ok(!result.text.includes("\u2028"), "a file's name stays in its comment");
    return `imported ${outcomeOf(result.skipped, input, 0)}`;
  },
};

function exported(seed: number): Uint8Array {
  return new TextEncoder().encode(exportPolicy(randomPolicy(new Random(seed))));
}

/** The kinds of problems, once it is clear that there are some, not too many, each in one line and with a place in the input. */
function outcomeOf(problems: readonly Problem[], input: Uint8Array, atLeast = 1): string {
  ok(problems.length >= atLeast, "what is refused has a reason");
  ok(problems.length <= LIMITS.problems + 1, `${problems.length} problems`);
  const lines = input.length > 1 << 16 ? Infinity : input.filter((byte) => byte === 0x0a).length + 1;
  for (const problem of problems) {
    const { line, column } = problem;
    ok(line >= 1 && line <= lines && column >= 1, `${line}:${column} is in the input`);
    ok(/^\P{Cc}+$/u.test(formatProblem(problem)), "a problem is one line");
  }
  const kinds = problems.map(({ message }) => message.replaceAll(/"(?:[^"\\]|\\.)*"|\d+/g, ""));
  return [...new Set(kinds)].sort().join("; ").slice(0, 400);
}
