/**
 * What the values of a policy must be to each other: keys written once, ids unique, scopes that exist, rules that name
 * something. Works on what is there, so that these problems are told together with those of the schema.
 *
 * @module
 */

import { isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import type { PolicyDocument } from "./document.ts";
import { LIMITS } from "./limits.ts";
import type { KeyPath, ProblemList } from "./problem.ts";
import { nearest } from "./suggest.ts";
import { quote } from "./syntax.ts";

/** Where problems go: those that refuse the policy, and those that only deserve a look. */
export interface Findings {
  readonly problems: ProblemList;
  readonly warnings: ProblemList;
}

/** Adds the problems of the document as a whole. */
export function checkSemantics(document: PolicyDocument, findings: Findings): void {
  checkKeys(document, findings.problems);
  if (isOversized(document)) return checkSizes(document, findings.problems);
  const rules = seqItems(document.node(["rules"]));
  checkIds(document, rules, findings.problems);
  checkTargets(document, rules, findings.problems);
  checkScopes(document, rules, findings);
  checkCallerSets(document, rules, findings.problems);
  checkRepeats(document, rules, findings.warnings);
  checkWholeHost(document, findings.warnings);
}

/** Adds a problem for each key that is written twice in one mapping, or that must not be read at all. */
export function checkKeys(document: PolicyDocument, problems: ProblemList): void {
  checkKeysBelow(document, document.root, [], problems);
}

/** True if the policy has so many rules or scopes that looking at each would only cost time. */
export function isOversized(document: PolicyDocument): boolean {
  const scopes = document.node(["scopes"]);
  return seqItems(document.node(["rules"])).length > LIMITS.rules ||
    (isMap(scopes) && scopes.items.length > LIMITS.callerSets);
}

function checkSizes(document: PolicyDocument, problems: ProblemList): void {
  const rules = seqItems(document.node(["rules"])).length;
  if (rules > LIMITS.rules) {
    const place = document.placeOf(["rules", LIMITS.rules]);
    problems.add(place, ["rules"], `there are ${rules} rules`, `at most ${LIMITS.rules}`);
  }
  const scopes = document.node(["scopes"]);
  if (isMap(scopes) && scopes.items.length > LIMITS.callerSets) {
    const message = `there are ${scopes.items.length} scopes`;
    problems.add(document.placeOf(["scopes"]), ["scopes"], message, `at most ${LIMITS.callerSets}`);
  }
}

function checkKeysBelow(document: PolicyDocument, node: unknown, path: KeyPath, problems: ProblemList): void {
  if (isSeq(node)) {
    node.items.forEach((item, index) => checkKeysBelow(document, item, [...path, index], problems));
  }
  if (!isMap(node)) return;
  const seen = new Map<string, unknown>();
  for (const { key: keyNode, value } of node.items) {
    const key = textOf(keyNode) ?? "";
    const first = seen.get(key);
    if (first !== undefined) {
      const line = document.place(first).line;
      problems.add(
        document.place(keyNode),
        [...path, key],
        `the key ${quote(key)} is already on line ${line}`,
        "each key once",
      );
    } else if (key === "__proto__") {
      // JavaScript's objects cannot be trusted with this one, so the schema does not see it as the others.
      problems.add(document.place(keyNode), [...path, key], `unknown key ${quote(key)}`);
    }
    seen.set(key, keyNode);
    checkKeysBelow(document, value, [...path, key], problems);
  }
}

function checkIds(document: PolicyDocument, rules: readonly unknown[], problems: ProblemList): void {
  const seen = new Map<string, unknown>();
  rules.forEach((rule, index) => {
    const node = valueOf(rule, "id");
    const id = textOf(node);
    if (id === undefined) return;
    const first = seen.get(id);
    if (first === undefined) seen.set(id, node);
    else {
      const line = document.place(first).line;
      problems.add(
        document.place(node),
        ["rules", index, "id"],
        `the id ${quote(id)} is already on line ${line}`,
        "an id of its own for each rule",
      );
    }
  });
}

function checkTargets(document: PolicyDocument, rules: readonly unknown[], problems: ProblemList): void {
  rules.forEach((rule, index) => {
    if (!isMap(rule) || names(rule, "paths") || names(rule, "inodes")) return;
    problems.add(
      document.place(rule),
      ["rules", index],
      "the rule names no file",
      "at least one entry in paths or inodes",
    );
  });
}

/** Whether a rule's list has entries. A value of another type counts: the schema has its say about that. */
function names(rule: YAMLMap, key: string): boolean {
  const node = valueOf(rule, key);
  return node !== undefined && !(isSeq(node) && node.items.length === 0);
}

function checkScopes(document: PolicyDocument, rules: readonly unknown[], findings: Findings): void {
  const scopes = document.node(["scopes"]);
  const defined = new Set(isMap(scopes) ? scopes.items.map(({ key }) => textOf(key) ?? "") : []);
  const unused = new Set(defined);
  rules.forEach((rule, index) => {
    seqItems(valueOf(rule, "in")).forEach((node, position) => {
      const name = textOf(node);
      if (name === undefined) return;
      unused.delete(name);
      if (defined.has(name)) return;
      const meant = findings.problems.full ? undefined : nearest(name, defined);
      const hint = meant === undefined ? "" : ` (did you mean ${quote(meant)}?)`;
      const message = `there is no scope ${quote(name)}${hint}`;
      findings.problems.add(
        document.place(node),
        ["rules", index, "in", position],
        message,
        "a key of scopes",
      );
    });
  });
  for (const name of unused) {
    const place = document.placeOfKey(["scopes"], name);
    findings.warnings.add(place, ["scopes", name], `no rule uses the scope ${quote(name)}`);
  }
}

/** Every scope and every different set of exceptions needs a bit of its own in the kernel. */
function checkCallerSets(document: PolicyDocument, rules: readonly unknown[], problems: ProblemList): void {
  const scopes = document.node(["scopes"]);
  const room = LIMITS.callerSets - (isMap(scopes) ? scopes.items.length : 0);
  const exceptions = new Set<string>();
  for (const [index, rule] of rules.entries()) {
    const except = valueOf(rule, "except");
    const callers = EXCEPTIONS.map((key) => seqItems(valueOf(except, key)).map(scalarText));
    if (callers.every((list) => list.length === 0)) continue;
    exceptions.add(JSON.stringify(callers));
    if (exceptions.size <= room) continue;
    const expected = `at most ${LIMITS.callerSets} scopes and different except blocks together`;
    problems.add(document.place(except), ["rules", index, "except"], "one set of callers too many", expected);
    return;
  }
}

const EXCEPTIONS = ["cgroups", "exe", "uids"];

/** Entries that are twice in one list do no harm, but may have been meant as something else. */
function checkRepeats(document: PolicyDocument, rules: readonly unknown[], warnings: ProblemList): void {
  rules.forEach((rule, index) => {
    for (const key of ["paths", "inodes", "deny", "in"]) {
      const seen = new Set<string>();
      seqItems(valueOf(rule, key)).forEach((node, position) => {
        const text = textOf(node);
        if (text === undefined) return;
        if (seen.has(text)) {
          const message = `${quote(text)} is already in this list`;
          warnings.add(document.place(node), ["rules", index, key, position], message);
        }
        seen.add(text);
      });
    }
  });
}

function checkWholeHost(document: PolicyDocument, warnings: ProblemList): void {
  seqItems(document.node(["allow", "cgroups"])).forEach((node, position) => {
    if (textOf(node) !== "/") return;
    const message = 'the cgroup "/" is every process: no rule of this policy applies to any';
    warnings.add(document.place(node), ["allow", "cgroups", position], message);
  });
}

function seqItems(node: unknown): readonly unknown[] {
  return isSeq(node) ? node.items : [];
}

function valueOf(node: unknown, key: string): Node | undefined {
  const value = isMap(node) ? node.get(key, true) : undefined;
  return isMap(value) || isSeq(value) || isScalar(value) ? value : undefined;
}

function scalarText(node: unknown): string {
  return isScalar(node) ? String(node.value) : "";
}

function textOf(node: unknown): string | undefined {
  return isScalar(node) && typeof node.value === "string" ? node.value : undefined;
}
