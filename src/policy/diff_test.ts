import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type Change, diffPolicies } from "./diff.ts";
import { exportPolicy, policyFields } from "./export.ts";
import type { Policy } from "./model.ts";
import { evolvedPolicy, randomPolicy } from "./random_policy.ts";
import { acceptPolicy, Random } from "./testing.ts";

const BASE = "version: 1\nname: web\nserial: 7\nscopes: {web: [/a, /b]}\nallow: {cgroups: [/c]}\nrules:\n";
const A = BASE + "  - {id: one, paths: [/1, /2]}\n  - {id: two, paths: [/2]}\n  - {id: three, paths: [/3]}\n";

function diff(before: string, after: string): readonly Change[] {
  return diffPolicies(acceptPolicy(before), acceptPolicy(after));
}

Deno.test("diffPolicies() finds nothing where only layout, order in lists and written defaults differ", () => {
  const b = "# a comment\nname: web\nversion: 1\nserial: 7\nmode: enforce\nscopes: {web: [/b, /a]}\n" +
    "allow: {cgroups: [/c]}\nrules:\n- id: one\n  paths: [/2, /1]\n  deny: [exec, read, write]\n  signal: none\n" +
    "- {id: two, paths: [/2], mode: enforce}\n- {id: three, paths: [/3], except: {}}\n";
  deepStrictEqual(diff(A, b), []);
});

Deno.test("diffPolicies() tells what each key became", () => {
  const b = A.replace("serial: 7", "serial: 8\nexpires: 2027-06-01T00:00:00Z").replace("/b", "/d")
    .replace("[/1, /2]", "[/1, /4/**], deny: [read], except: {uids: [33]}, signal: kill");
  deepStrictEqual(diff(A, b), [
    { kind: "changed", path: ["serial"], from: 7, to: 8 },
    { kind: "changed", path: ["expires"], to: "2027-06-01T00:00:00Z" },
    { kind: "removed", path: ["scopes", "web"], entry: "/b" },
    { kind: "added", path: ["scopes", "web"], entry: "/d" },
    { kind: "removed", path: ["rules", "one", "paths"], entry: "/2" },
    { kind: "added", path: ["rules", "one", "paths"], entry: "/4/**" },
    { kind: "removed", path: ["rules", "one", "deny"], entry: "write" },
    { kind: "removed", path: ["rules", "one", "deny"], entry: "exec" },
    { kind: "added", path: ["rules", "one", "except", "uids"], entry: 33 },
    { kind: "changed", path: ["rules", "one", "signal"], from: "none", to: "kill" },
  ]);
});

Deno.test("diffPolicies() tells a rule's mode as it applies, whoever says it", () => {
  const b = A.replace("serial: 7", "serial: 7\nmode: audit").replace("[/2]}", "[/2], mode: enforce}");
  deepStrictEqual(diff(A, b), [
    { kind: "changed", path: ["mode"], from: "enforce", to: "audit" },
    { kind: "changed", path: ["rules", "one", "mode"], from: "enforce", to: "audit" },
    { kind: "changed", path: ["rules", "three", "mode"], from: "enforce", to: "audit" },
  ]);
});

Deno.test("diffPolicies() tells one move where one rule moved", () => {
  const b = BASE +
    "  - {id: three, paths: [/3]}\n  - {id: one, paths: [/1, /2]}\n  - {id: two, paths: [/2]}\n";
  deepStrictEqual(diff(A, b), [{ kind: "moved", path: ["rules", "three"], after: null }]);
});

Deno.test("diffPolicies() of two policies, made to the first, gives the second", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = new Random(seed);
    const before = randomPolicy(random);
    const after = evolvedPolicy(random, before);
    const changes = diffPolicies(before, after);
    const told = `seed ${seed}:\n${exportPolicy(before)}---\n${exportPolicy(after)}`;
    deepStrictEqual(apply(meaning(before), changes), meaning(after), told);
    strictEqual(changes.length === 0, exportPolicy(before) === exportPolicy(after), told);
    deepStrictEqual(diffPolicies(after, after), []);
  }
});

Deno.test("diffPolicies() finds that 10,000 rules were turned round without trying every pair", () => {
  const rules = Array.from({ length: 10_000 }, (_, index) => `  - {id: r${index}, paths: [/${index}]}\n`);
  const [before, after] = [rules, rules.toReversed()].map((list) => acceptPolicy(BASE + list.join("")));
  const start = performance.now();
  strictEqual(before && after && diffPolicies(before, after).length, 9_999);
  const ms = performance.now() - start;
  strictEqual(ms < 2_000, true, `took ${ms} ms`);
});

/** A policy as what it means: lists are sets, and every rule has its mode and operations. */
interface Meaning {
  readonly top: Map<string, unknown>;
  readonly sets: Map<string, Set<unknown>>;
  readonly rules: string[];
}

function meaning(policy: Policy): Meaning {
  const { scopes = {}, allow = {}, rules: _, ...top } = policyFields(policy);
  const found: Meaning = { top: new Map(Object.entries(top)), sets: new Map(), rules: [] };
  addLists(found, "scopes", scopes as object);
  for (const rule of policy.rules) {
    found.rules.push(rule.id);
    const [value] = policyFields({ ...policy, rules: [rule] }).rules as Record<string, unknown>[];
    addRule(found, rule.id, { ...value, deny: rule.ops, mode: rule.mode, signal: rule.signal });
  }
  addLists(found, "allow", allow as object);
  return found;
}

function addRule({ top, sets }: Meaning, id: string, value: Record<string, unknown>): void {
  const { except = {}, mode, signal, id: _, ...lists } = value;
  top.set(`rules/${id}/mode`, mode).set(`rules/${id}/signal`, signal);
  addLists({ top, sets, rules: [] }, `rules/${id}`, lists);
  addLists({ top, sets, rules: [] }, `rules/${id}/except`, except as object);
}

function addLists({ sets }: Meaning, prefix: string, lists: object): void {
  for (const [key, list] of Object.entries(lists)) sets.set(`${prefix}/${key}`, new Set(list));
}

function apply(policy: Meaning, changes: readonly Change[]): Meaning {
  const { top, sets } = policy;
  const gone = changes.filter(({ kind, path }) =>
    kind !== "added" && path[0] === "rules" && path.length === 2
  );
  const rules = policy.rules.filter((id) => !gone.some(({ path }) => path[1] === id));
  for (const change of changes) {
    const key = change.path.join("/");
    if (change.kind === "changed") {
      if (change.to === undefined) top.delete(key);
      else top.set(key, change.to);
    } else if (change.kind === "moved") insert(rules, change.path[1], change.after);
    else if ("entry" in change) {
      const set = sets.get(key) ?? new Set();
      if (change.kind === "added") set.add(change.entry);
      else set.delete(change.entry);
      if (set.size > 0) sets.set(key, set);
      else sets.delete(key);
    } else if (change.kind === "removed") {
      for (const map of [top, sets]) {
        for (const known of map.keys()) if (known === key || known.startsWith(`${key}/`)) map.delete(known);
      }
    } else if (change.path[0] === "scopes") sets.set(key, new Set(change.value as string[]));
    else {
      insert(rules, change.path[1], change.after ?? null);
      addRule(policy, change.path[1], change.value as Record<string, unknown>);
    }
  }
  return { top, sets, rules };
}

function insert(rules: string[], id: string, after: string | null): void {
  rules.splice(after === null ? 0 : rules.indexOf(after) + 1, 0, id);
}
