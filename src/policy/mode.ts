/**
 * The mode that an administrator gives on the command line, over what a policy says.
 *
 * @module
 */
import type { Mode, Policy } from "./model.ts";

/**
 * The policy under an overriding mode: `audit` overrides every rule, so that nothing is refused; `enforce` overrides the
 * policy's mode and the rules that have the same, and leaves a rule that differs from its policy as it is.
 */
export function withMode(policy: Policy, override: Mode | undefined): Policy {
  if (override === undefined) return policy;
  const rules = policy.rules.map((rule) =>
    override === "audit" || rule.mode === policy.mode ? { ...rule, mode: override } : rule
  );
  return { ...policy, mode: override, rules };
}

/** Whether anything in a policy asks for refusals. */
export function wantsEnforce(policy: Policy): boolean {
  return policy.mode === "enforce" || policy.rules.some(({ mode }) => mode === "enforce");
}
