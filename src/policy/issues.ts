/**
 * Turns what the schema found into problems of the file: the place, the key path, and words a person understands.
 *
 * @module
 */

import type * as z from "zod";
import type { PolicyDocument } from "./document.ts";
import type { KeyPath, ProblemList } from "./problem.ts";
import { POLICY_GUIDE } from "./schema.ts";
import type { SchemaGuide } from "./schema_guide.ts";
import { nearest } from "./suggest.ts";
import { quote } from "./syntax.ts";

type Issue = z.core.$ZodIssue;

/**
 * Adds a problem for each of the schema's issues with `value`, which is what `document` holds.
 *
 * @param guide To the schema. Default: the policy's.
 */
export function reportIssues(
  issues: readonly Issue[],
  value: unknown,
  document: PolicyDocument,
  problems: ProblemList,
  guide: SchemaGuide = POLICY_GUIDE,
): void {
  for (const issue of issues) {
    const path = issue.path.map((key) => typeof key === "symbol" ? String(key) : key);
    if (problems.full) problems.omit(issue.code === "unrecognized_keys" ? issue.keys.length : 1);
    else if (issue.code === "unrecognized_keys") {
      reportUnknownKeys(issue.keys, path, { document, problems, guide });
    } else if (issue.code === "invalid_key") reportBadKey(path, { document, problems, guide });
    else if (isMissing(value, path)) reportMissing(path, { document, problems, guide });
    else {
      const { message, expected } = describe(issue, valueAt(value, path), guide.expectedAt(path));
      problems.add(document.placeOf(path), path, message, expected);
    }
  }
}

/** A value of a policy for a message: texts quoted, collections only named. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  return String(value);
}

interface Report {
  readonly document: PolicyDocument;
  readonly problems: ProblemList;
  readonly guide: SchemaGuide;
}

function reportUnknownKeys(keys: readonly string[], path: KeyPath, { document, problems, guide }: Report) {
  const known = guide.acceptedKeys(path);
  for (const [index, key] of keys.entries()) {
    if (problems.full) return problems.omit(keys.length - index);
    const meant = nearest(key, known);
    const hint = meant === undefined ? "" : ` (did you mean ${quote(meant)}?)`;
    const place = document.placeOfKey(path, key);
    problems.add(place, [...path, key], `unknown key ${quote(key)}${hint}`, `one of ${known.join(", ")}`);
  }
}

function reportBadKey(path: KeyPath, { document, problems, guide }: Report): void {
  const parent = path.slice(0, -1);
  const key = String(path.at(-1));
  problems.add(
    document.placeOfKey(parent, key),
    path,
    `${quote(key)} is not a scope's name`,
    guide.expectedAt(["rules", 0, "id"]),
  );
}

function reportMissing(path: KeyPath, { document, problems, guide }: Report): void {
  const place = document.placeOf(path.slice(0, -1));
  problems.add(place, path, `the key ${quote(String(path.at(-1)))} is missing`, guide.expectedAt(path));
}

interface Description {
  readonly message: string;
  readonly expected: string | undefined;
}

function describe(issue: Issue, value: unknown, expected: string | undefined): Description {
  const shown = describeValue(value);
  switch (issue.code) {
    case "invalid_type":
      return { message: `found ${shown}`, expected: TYPES[issue.expected] ?? issue.expected };
    case "invalid_value": {
      const words = issue.values.map(String);
      if (typeof value !== "string") return { message: `found ${shown}`, expected: alternatives(words) };
      const meant = nearest(value, words);
      const hint = meant === undefined ? "" : ` (did you mean ${quote(meant)}?)`;
      return { message: `${shown} is not known here${hint}`, expected: alternatives(words) };
    }
    case "too_small":
      if (issue.origin === "array") return { message: "the list is empty", expected: "at least one entry" };
      return { message: `${shown} is too small`, expected: `at least ${issue.minimum}` };
    case "too_big":
      return { message: `${shown} is too large`, expected: `at most ${issue.maximum}` };
    case "invalid_format":
      return { message: `${shown} is not well formed`, expected };
    case "custom":
      return { message: issue.message, expected };
    default:
      return { message: `${shown} is not accepted`, expected };
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a text, in quotes if need be",
  number: "a whole number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

function alternatives(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
}

function isMissing(value: unknown, path: KeyPath): boolean {
  return path.length > 0 && typeof path.at(-1) === "string" && valueAt(value, path) === undefined;
}

function valueAt(value: unknown, path: KeyPath): unknown {
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}
