import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { wantsEnforce, withMode } from "./mode.ts";
import { parsePolicy } from "./parse.ts";

function policyOf(mode: string, ruleMode: string) {
  const text =
    `version: 1\nname: a\nserial: 1\nmode: ${mode}\nrules: [{id: a, paths: [/a]}, {id: b, paths: [/b], mode: ${ruleMode}}]`;
  const parsed = parsePolicy(text, "p.yaml");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.policy;
}

const modesOf = (
  policy: ReturnType<typeof policyOf>,
) => [policy.mode, ...policy.rules.map(({ mode }) => mode)];

Deno.test("withMode() makes everything audit when audit overrides", () => {
  deepStrictEqual(modesOf(withMode(policyOf("enforce", "enforce"), "audit")), ["audit", "audit", "audit"]);
});

Deno.test("withMode() leaves a rule that differs from its policy when enforce overrides", () => {
  deepStrictEqual(modesOf(withMode(policyOf("audit", "audit"), "enforce")), [
    "enforce",
    "enforce",
    "enforce",
  ]);
  deepStrictEqual(modesOf(withMode(policyOf("enforce", "audit"), "enforce")), [
    "enforce",
    "enforce",
    "audit",
  ]);
});

Deno.test("wantsEnforce() is true when one rule of an audit policy enforces", () => {
  strictEqual(wantsEnforce(policyOf("audit", "audit")), false);
  strictEqual(wantsEnforce(policyOf("audit", "enforce")), true);
});
