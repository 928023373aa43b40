/**
 * What a set holds beyond what its policy says now: files that left their places or subtrees and stay covered.
 *
 * @module
 */
import type { SetIndex } from "./control.ts";
import type { SetEntry } from "./entries.ts";
import { KIND } from "./layout.ts";
import { readEntry, readKey, readRule, viewOf } from "./packed.ts";
import { entriesOf, rulesOf } from "./sets.ts";
import type { KernelState } from "./state.ts";

/**
 * The files, directories and executables that a set names, for a set whose first rules are the same.
 *
 * @param rules How many rules the two sets share, the canary's included.
 */
export function coveredThings(state: KernelState, index: SetIndex, rules: number): SetEntry[] {
  using entries = entriesOf(state, index);
  const found: SetEntry[] = [];
  for (const [key, value] of entries?.entries() ?? []) {
    const { kind, a, b } = readKey(viewOf(key));
    if (!KINDS.has(kind)) continue;
    const { rule, node, mask } = readEntry(viewOf(value));
    if (kind === KIND.EXE || rule < rules) found.push({ kind, a, b, rule, node, mask });
  }
  return found;
}

/** The lasting numbers of a set's rules, in their order, the canary's left out; none where the slot was never filled. */
export function ruleNumbersIn(state: KernelState, index: SetIndex): number[] {
  using rules = rulesOf(state, index);
  return [...rules?.entries() ?? []]
    .map(([key, value]) => [viewOf(key).getUint32(0, true), readRule(viewOf(value)).number] as const)
    .sort(([one], [other]) => one - other)
    .slice(CANARY_RULES)
    .map(([, number]) => number);
}

/** Every set begins with the canary's. */
const CANARY_RULES = 1;

/** Places have other numbers in another set, and are found again; these are not. */
const KINDS: ReadonlySet<number> = new Set([KIND.FILE, KIND.DIR, KIND.EXE]);
