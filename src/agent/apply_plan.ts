/**
 * What a policy would change if it came into force: for `policy apply --dry-run`.
 *
 * @module
 */
import { identityText } from "../kernel/packed.ts";
import { diffPolicies } from "../policy/diff.ts";
import type { Policy } from "../policy/model.ts";
import { type ResolvedTarget, targetText } from "../policy/resolve.ts";
import type { ApplyPlan } from "./api.ts";
import type { InForce } from "./in_force.ts";

/** What changes from the policy in force, if there is one, to the next. */
export function applyPlan(current: InForce | undefined, next: InForce): ApplyPlan {
  const before = boundTargets(current);
  const after = boundTargets(next);
  const own = new Set(next.own.rules);
  return {
    rules: changedRules(current?.own, next.own),
    covered: [...after].filter(([text]) => !before.has(text)).map(([, view]) => view),
    uncovered: [...before].filter(([text]) => !after.has(text)).map(([, view]) => view),
    waiting: next.resolution.targets
      .filter(({ rule, target, identity }) => "path" in target && identity === undefined && own.has(rule))
      .map(({ rule, target }) => ({ rule: rule.id, target: targetText(target) })),
  };
}

function changedRules(before: Policy | undefined, after: Policy): ApplyPlan["rules"] {
  if (before === undefined) return { added: after.rules.map(({ id }) => id), removed: [], changed: [] };
  const [had, has] = [before, after].map(({ rules }) => new Set(rules.map(({ id }) => id)));
  const touched = new Set(
    diffPolicies(before, after).flatMap(({ kind, path }) =>
      path[0] === "rules" && kind !== "moved" ? [String(path[1])] : []
    ),
  );
  const ids = [...touched];
  return {
    added: ids.filter((id) => !had?.has(id)),
    removed: ids.filter((id) => !has?.has(id)),
    changed: ids.filter((id) => had?.has(id) && has?.has(id)),
  };
}

/** What rules stand for, each file or inode once for each rule. */
function boundTargets(policy: InForce | undefined): Map<string, ApplyPlan["covered"][number]> {
  const own = new Set(policy?.own.rules);
  return new Map(
    (policy?.resolution.targets ?? []).flatMap((resolved) => {
      const what = own.has(resolved.rule) ? identityOf(resolved) : undefined;
      if (what === undefined) return [];
      const { rule, target } = resolved;
      const isSubtree = "path" in target && target.subtree;
      return [[`${rule.id} ${isSubtree} ${what}`, {
        rule: rule.id,
        target: targetText(target),
        identity: what,
      }]];
    }),
  );
}

/** Of a file, or as the policy names an inode. */
function identityOf({ target, identity }: ResolvedTarget): string | undefined {
  if (identity) return identityText(identity);
  return "path" in target ? undefined : targetText(target);
}
