/**
 * What stays covered when a set is made anew: files that left their places are not found by looking at the rules'
 * paths, so they are taken from the set before, under the numbers that their rules have in the new one.
 *
 * @module
 */
import type { SetEntry } from "../kernel/entries.ts";
import { KIND } from "../kernel/layout.ts";
import { ruleNumbersIn } from "../kernel/learnt.ts";
import type { RuleNumbers } from "../kernel/rule_numbers.ts";
import type { KernelState } from "../kernel/state.ts";
import type { Rule } from "../policy/model.ts";
import type { Enforcer } from "./enforcer.ts";
import type { Beside, WholePolicy } from "./in_force.ts";

/** A rule, as far as it matters here: the kernel knows no more of those that an earlier agent put into force. */
export type RuleId = Pick<Rule, "id">;

/** The entry for the new set; undefined for what does not stay. */
export type Carry = (entry: SetEntry) => SetEntry | undefined;

/** Carries all that a set of the same rules covers. */
export function carryAll(entry: SetEntry): SetEntry {
  return entry;
}

/** Carries what those rules cover that are in both sets, by their ids; bits of callers are the same in both. */
export function carryRules(before: readonly RuleId[], after: readonly RuleId[]): Carry {
  const indices = new Map(after.map(({ id }, index) => [id, index + CANARY_RULES]));
  return (entry) => {
    if (entry.kind === KIND.EXE) return entry;
    const id = before[entry.rule - CANARY_RULES]?.id;
    const rule = id === undefined ? undefined : indices.get(id);
    return rule === undefined ? undefined : { ...entry, rule };
  };
}

/** The same for sets of two policies: only rules beside the policy are in both, and bits of callers are not the same. */
export function carryBeside(
  before: readonly RuleId[],
  after: readonly RuleId[],
  isBeside: (rule: RuleId) => boolean,
): Carry {
  const carry = carryRules(before, after);
  return (entry) => {
    const rule = before[entry.rule - CANARY_RULES];
    return entry.kind === KIND.EXE || rule === undefined || !isBeside(rule) ? undefined : carry(entry);
  };
}

/** What carrying over works with. */
export interface Carrier {
  readonly state: KernelState;
  readonly enforcer: Pick<Enforcer, "covered" | "coverAsBefore">;
  readonly numbers: Pick<RuleNumbers, "nameOf">;
  readonly beside: Pick<Beside, "includes">;
  /** More than so many entries would slow the filters down: none stays then. */
  readonly most: number;
}

/** What stays covered. */
export interface Carried {
  /** To be added to the new set. */
  readonly covered: readonly SetEntry[];
  /** To be called after the switch: the set before may have learnt more until then. */
  finish(): void;
}

/**
 * What stays covered from the set in force when another replaces it.
 *
 * @param current The policy in force; undefined at the start, when the set is an earlier agent's.
 */
export function carriedTo(
  { state, enforcer, numbers, beside, most }: Carrier,
  current: WholePolicy | undefined,
  { sha256, policy }: WholePolicy,
): Carried {
  const index = state.control.liveIndex();
  const before = current?.policy.rules ??
    ruleNumbersIn(state, index).map((number) => ({ id: numbers.nameOf(number) ?? "" }));
  const isSame = sha256 === (current ?? state.control.setInfo(index)).sha256;
  const carry = isSame
    ? carryRules(before, policy.rules)
    : carryBeside(before, policy.rules, beside.includes);
  const covered = enforcer.covered(before.length, carry);
  if (covered.length > most) return { covered: [], finish: () => {} };
  return { covered, finish: () => enforcer.coverAsBefore(before.length, carry) };
}

/** Every set begins with the canary's. */
const CANARY_RULES = 1;
