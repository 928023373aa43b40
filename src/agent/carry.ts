/**
 * What stays covered when a set is made anew: files that left their places are not found by looking at the rules'
 * paths, so they are taken from the set before, under the numbers that their rules have in the new one.
 *
 * @module
 */
import type { SetEntry } from "../kernel/entries.ts";
import { KIND } from "../kernel/layout.ts";
import type { Rule } from "../policy/model.ts";

/** The entry for the new set; undefined for what does not stay. */
export type Carry = (entry: SetEntry) => SetEntry | undefined;

/** Carries all that a set of the same rules covers. */
export function carryAll(entry: SetEntry): SetEntry {
  return entry;
}

/** Carries what those rules cover that are in both sets, by their ids; bits of callers are the same in both. */
export function carryRules(before: readonly Rule[], after: readonly Rule[]): Carry {
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
  before: readonly Rule[],
  after: readonly Rule[],
  isBeside: (rule: Rule) => boolean,
): Carry {
  const carry = carryRules(before, after);
  return (entry) => {
    const rule = before[entry.rule - CANARY_RULES];
    return entry.kind === KIND.EXE || rule === undefined || !isBeside(rule) ? undefined : carry(entry);
  };
}

/** Every set begins with the canary's. */
const CANARY_RULES = 1;
