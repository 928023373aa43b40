/**
 * What is different between two policies, by what they mean: rules by their ids, entries of lists whatever their order,
 * a rule's mode whether it is its own or the policy's. Comments, layout and defaults that are written out do not count.
 *
 * The changes are complete: made to the first policy, they give the second.
 *
 * @module
 */

import { policyFields } from "./export.ts";
import type { Policy, Rule } from "./model.ts";
import type { KeyPath } from "./problem.ts";

/** A single value that is another one, or is there in only one of the two. */
export interface ValueChange {
  readonly kind: "changed";
  /** The key; a rule is given by its id: `["rules", "tls-keys", "mode"]`. */
  readonly path: KeyPath;
  readonly from?: string | number;
  readonly to?: string | number;
}

/** An entry of a list that is there in only one of the two. */
export interface EntryChange {
  readonly kind: "added" | "removed";
  /** The list. */
  readonly path: KeyPath;
  readonly entry: string | number;
}

/** A rule or scope that is there in only one of the two. */
export interface PartChange {
  readonly kind: "added" | "removed";
  readonly path: readonly ["rules" | "scopes", string];
  /** The rule or scope as a policy has it. */
  readonly value: unknown;
  /** Of a rule that was added: the id of the rule before it, null for the first. */
  readonly after?: string | null;
}

/** A rule that stands elsewhere among the others. */
export interface MoveChange {
  readonly kind: "moved";
  readonly path: readonly ["rules", string];
  /** The id of the rule before it, null for the first. */
  readonly after: string | null;
}

/** One difference. */
export type Change = ValueChange | EntryChange | PartChange | MoveChange;

/** The changes that make `before` into `after`, in the order of the format; empty where they mean the same. */
export function diffPolicies(before: Policy, after: Policy): readonly Change[] {
  return [
    ...(["name", "serial", "expires", "mode"] as const).flatMap((key) =>
      valueChange([key], before[key], after[key])
    ),
    ...scopeChanges(before, after),
    ...entryChanges(["allow", "cgroups"], cgroupsOf(before), cgroupsOf(after)),
    ...ruleChanges(before, after),
  ];
}

type Fields = Readonly<Record<string, unknown>>;
type Entries = readonly (string | number)[];

function valueChange(
  path: KeyPath,
  from: string | number | undefined,
  to: string | number | undefined,
): ValueChange[] {
  if (from === to) return [];
  return [{
    kind: "changed",
    path,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  }];
}

function entryChanges(path: KeyPath, before: Entries, after: Entries): EntryChange[] {
  const [had, has] = [new Set(before), new Set(after)];
  return [
    ...[...had].filter((entry) => !has.has(entry)).map((entry) =>
      ({ kind: "removed", path, entry }) as const
    ),
    ...[...has].filter((entry) => !had.has(entry)).map((entry) => ({ kind: "added", path, entry }) as const),
  ];
}

function scopeChanges(before: Policy, after: Policy): Change[] {
  const [had, has] = [scopesOf(before), scopesOf(after)];
  return [
    ...[...had].filter(([name]) => !has.has(name)).map(([name, value]) =>
      ({ kind: "removed", path: ["scopes", name], value }) as const
    ),
    ...[...has].flatMap(([name, value]): Change[] => {
      const old = had.get(name);
      if (old === undefined) return [{ kind: "added", path: ["scopes", name], value }];
      return entryChanges(["scopes", name], old, value);
    }),
  ];
}

function ruleChanges(before: Policy, after: Policy): Change[] {
  const had = new Map(before.rules.map((rule) => [rule.id, rule]));
  const has = new Set(after.rules.map(({ id }) => id));
  const removed = before.rules.filter(({ id }) => !has.has(id)).map((rule): Change => ({
    kind: "removed",
    path: ["rules", rule.id],
    value: ruleValue(before, rule),
  }));
  const moved = movedRules(before, after);
  return [
    ...removed,
    ...after.rules.flatMap((rule, position): Change[] => {
      const path = ["rules", rule.id] as const;
      const old = had.get(rule.id);
      const previous = after.rules[position - 1]?.id ?? null;
      if (old === undefined) return [{ kind: "added", path, value: ruleValue(after, rule), after: previous }];
      const move: Change[] = moved.has(rule.id) ? [{ kind: "moved", path, after: previous }] : [];
      return [...fieldChanges(path, ruleValue(before, old), ruleValue(after, rule)), ...move];
    }),
  ];
}

/** Changes of a rule's keys, and of those of its `except`. */
function fieldChanges(path: KeyPath, before: Fields, after: Fields): Change[] {
  return RULE_KEYS.flatMap((key): Change[] => {
    const [from, to] = [before[key], after[key]];
    if (key === "except") return exceptChanges([...path, key], fields(from), fields(to));
    if (key === "mode" || key === "signal") return valueChange([...path, key], text(from), text(to));
    return entryChanges([...path, key], entries(from), entries(to));
  });
}

const RULE_KEYS = ["paths", "inodes", "deny", "in", "except", "mode", "signal"] as const;

function exceptChanges(path: KeyPath, before: Fields, after: Fields): Change[] {
  return ["cgroups", "exe", "uids"].flatMap((key) =>
    entryChanges([...path, key], entries(before[key]), entries(after[key]))
  );
}

/** A rule with its mode, whoever says it, and with its operations. */
function ruleValue(policy: Policy, rule: Rule): Fields {
  const [value] = policyFields({ ...policy, scopes: [], rules: [rule] }).rules as Fields[];
  return { ...value, deny: rule.ops, mode: rule.mode, signal: rule.signal };
}

/** Rules of both that stand in another order, as few as can be: all but a longest run that kept its order. */
function movedRules(before: Policy, after: Policy): ReadonlySet<string> {
  const positions = new Map(before.rules.map(({ id }, position) => [id, position]));
  const common = after.rules.flatMap(({ id }) => {
    const position = positions.get(id);
    return position === undefined ? [] : [{ id, position }];
  });
  const stay = longestRise(common.map(({ position }) => position));
  return new Set(common.filter((_, index) => !stay.has(index)).map(({ id }) => id));
}

/** Indices of a longest rising subsequence of different numbers (patience sorting). */
function longestRise(numbers: readonly number[]): ReadonlySet<number> {
  /** By length less one: the index of the smallest number that a rise of that length can end with. */
  const ends: number[] = [];
  const previous: (number | undefined)[] = [];
  numbers.forEach((number, index) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((numbers[ends[middle] ?? 0] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    previous.push(ends[low - 1]);
    ends[low] = index;
  });
  const rise = new Set<number>();
  for (let at = ends.at(-1); at !== undefined; at = previous[at]) rise.add(at);
  return rise;
}

function scopesOf(policy: Policy): Map<string, Entries> {
  return new Map(Object.entries(fields(policyFields({ ...policy, rules: [] }).scopes))) as Map<
    string,
    Entries
  >;
}

function cgroupsOf(policy: Policy): Entries {
  return entries(fields(policyFields({ ...policy, scopes: [], rules: [] }).allow).cgroups);
}

function fields(value: unknown): Fields {
  return (value ?? {}) as Fields;
}

function entries(value: unknown): Entries {
  return (value ?? []) as Entries;
}

function text(value: unknown): string | undefined {
  return value as string | undefined;
}
