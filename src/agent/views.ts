/**
 * What the control socket answers about the policy in force and about counts.
 *
 * @module
 */
import { isOfRuleOnly, readCounters, readRuleCounts, readTotals } from "../kernel/counters.ts";
import { ACTION } from "../kernel/layout.ts";
import { identityText } from "../kernel/packed.ts";
import type { RuleNumbers } from "../kernel/rule_numbers.ts";
import type { KernelState } from "../kernel/state.ts";
import type { Rule } from "../policy/model.ts";
import { OPERATIONS } from "../policy/operations.ts";
import { targetText } from "../policy/resolve.ts";
import { formatCgroup } from "../policy/syntax.ts";
import type { PolicySummary, PolicyView, RuleView, StatsReport, StatsRow } from "./api.ts";
import type { HandExemptionsView, HandRulesView } from "./hand_api.ts";
import { isHandId } from "./hand_file.ts";
import { effectOf, type InForce } from "./in_force.ts";

/** The policy in short. */
export function summaryOf({ policy, sha256, signer = null, resolution }: InForce): PolicySummary {
  // What was resolved may be more than the policy: the decoys of prove.
  const own = new Set(policy.rules);
  const byHand = policy.rules.filter(({ id }) => isHandId(id)).length;
  return {
    name: policy.name,
    serial: policy.serial,
    sha256,
    signer,
    rules: policy.rules.length,
    ...(byHand === 0 ? {} : { by_hand: byHand }),
    waiting:
      resolution.targets.filter(({ rule, target, identity }) =>
        "path" in target && identity === undefined && own.has(rule)
      ).length,
  };
}

/**
 * The policy with every rule and where its targets stand.
 *
 * @param hand What is by hand beside it.
 */
export function policyViewOf(inForce: InForce, state: KernelState, hand: HandLists): PolicyView {
  const { policy, own } = inForce;
  const targets = Map.groupBy(inForce.resolution.targets, ({ rule }) => rule);
  const rules = policy.rules.map((rule): RuleView => ({
    id: rule.id,
    ...handPart(rule, hand),
    line: rule.line,
    mode: rule.mode,
    effect: effectOf(rule, state.backend),
    deny: rule.ops,
    in: rule.in,
    ...(rule.signal === "none" ? {} : { signal: rule.signal }),
    targets: (targets.get(rule) ?? []).map(({ target, identity }) => ({
      target: targetText(target),
      line: target.line,
      state: "path" in target && identity === undefined ? "waiting" : "bound",
      ...(identity === undefined ? {} : { identity: identityText(identity) }),
    })),
  }));
  return {
    ...summaryOf(inForce),
    mode: policy.mode,
    generation: Number(inForce.generation),
    applied: new Date(Number(inForce.appliedNs / 1_000_000n)).toISOString(),
    file: inForce.file,
    rule_list: rules,
    ...(inForce.resolution.mounts.length === 0 ? {} : { mounts: inForce.resolution.mounts }),
    allow: {
      cgroups: own.allow.cgroups.map(formatCgroup),
      ...(hand.cgroups.length === 0 ? {} : { by_hand: hand.cgroups }),
    },
  };
}

/** What is by hand, as it is shown. */
export type HandLists = HandRulesView & HandExemptionsView;

function handPart({ id }: Rule, { rules }: HandLists): Pick<RuleView, "origin" | "expires"> {
  if (!isHandId(id)) return {};
  const expires = rules.find((rule) => rule.id === id)?.expires ?? null;
  return { origin: "hand", ...(expires === null ? {} : { expires }) };
}

/** What stats rows need to know beyond the kernel's numbers. */
export interface StatsNames {
  readonly ruleName: (rule: number) => string;
  /** The path of a cgroup id, if it is known. */
  readonly cgroupPath: (id: bigint) => string | undefined;
  /** A path that a file was last seen under, if one is known. */
  readonly filePath: (identity: string) => string | undefined;
}

/** Exact counts, in all and by a key. */
export function statsOf(
  state: KernelState,
  names: StatsNames,
  by?: NonNullable<StatsReport["by"]>,
): StatsReport {
  const counters = readCounters(state.maps);
  const report: StatsReport = {
    denied: Number(counters.DENIED),
    audited: Number(counters.AUDITED),
    events: {
      emitted: Number(counters.EMITTED),
      delivered: Number(counters.DELIVERED),
      coalesced: Number(counters.COALESCED),
      dropped: Number(counters.DROPPED_RING_FULL),
    },
  };
  if (by === undefined) return report;
  const rows = by === "rule" ? ruleRows(state, names) : flowRows(state, names, by);
  return { ...report, by, rows: rows.sort((a, b) => b.count - a.count || a.key.localeCompare(b.key)) };
}

function ruleRows(state: KernelState, { ruleName }: StatsNames): StatsRow[] {
  return readRuleCounts(state.maps).map(({ rule, op, action, count }) => ({
    key: ruleName(rule),
    op: opName(op),
    action: actionName(action),
    count: Number(count),
  }));
}

function flowRows(state: KernelState, names: StatsNames, by: "cgroup" | "inode" | "path"): StatsRow[] {
  const sums = new Map<string, StatsRow>();
  for (const kind of readTotals(state.maps)) {
    const { file, cgroup, op, action, total } = kind;
    const identity = identityText(file);
    const key = isOfRuleOnly(kind)
      ? OLDER
      : by === "cgroup"
      ? names.cgroupPath(cgroup) ?? `id:${cgroup}`
      : by === "inode"
      ? identity
      : names.filePath(identity) ?? identity;
    const name = `${key}\0${op}\0${action}`;
    const count = (sums.get(name)?.count ?? 0) + Number(total);
    sums.set(name, { key, op: opName(op), action: actionName(action), count });
  }
  return [...sums.values()];
}

/** Decisions of some rules so far, by their ids. */
export function decisionsOf(
  state: KernelState,
  rules: readonly string[],
  numbers: Pick<RuleNumbers, "of">,
): Record<string, number> {
  if (rules.length === 0) return {};
  const ids = new Map(numbers.of(rules).map((number, index) => [number, rules[index] ?? ""]));
  const sums = Object.fromEntries(rules.map((id) => [id, 0]));
  for (const { rule, count } of readRuleCounts(state.maps)) {
    const id = ids.get(rule);
    if (id !== undefined) sums[id] = (sums[id] ?? 0) + Number(count);
  }
  return sums;
}

/** Key of the row for decisions of which the kernel keeps no more than the rule. */
const OLDER = "(older)";

/** The name of an operation by its number. */
export function opName(op: number): string {
  return OPERATIONS[op] ?? `op-${op}`;
}

/** The name of what was done, by its number. */
export function actionName(action: number): "deny" | "audit" {
  return action === ACTION.DENY ? "deny" : "audit";
}
