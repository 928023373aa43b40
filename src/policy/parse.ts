/**
 * Reads a policy: all of it is right, or every problem is told at once, each with its line and column.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { decodeText, parseDocument, type PolicyDocument } from "./document.ts";
import { reportIssues } from "./issues.ts";
import { LIMITS } from "./limits.ts";
import type { CgroupRef, Policy, Rule, Scope } from "./model.ts";
import { OPERATIONS } from "./operations.ts";
import { type Problem, ProblemList } from "./problem.ts";
import { type PolicyFields, policySchema, type RuleFields } from "./schema.ts";
import { checkSemantics, isOversized } from "./semantics.ts";
import type { CgroupValue } from "./syntax.ts";

/** What `parsePolicy` found. */
export type ParseResult =
  | {
    readonly ok: true;
    readonly policy: Policy;
    /** SHA-256 of the exact bytes, in lower-case hexadecimal. */
    readonly sha256: string;
    /** Doubtful, but accepted. */
    readonly warnings: readonly Problem[];
    /** Where everything is in the text. */
    readonly document: PolicyDocument;
  }
  | {
    readonly ok: false;
    /** At least one, in the order of the file. */
    readonly problems: readonly Problem[];
  };

/**
 * Parses a policy.
 *
 * Never throws for what is in the text, and takes bounded time and memory whatever that is (see `LIMITS`).
 *
 * @param text The policy; bytes must be UTF-8 without a byte order mark.
 * @param file The file's name for problems.
 */
export function parsePolicy(text: string | Uint8Array, file: string): ParseResult {
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  const problems = new ProblemList(file);
  const warnings = new ProblemList(file);
  if (bytes.length > LIMITS.fileBytes) {
    problems.add(
      { line: 1, column: 1 },
      [],
      `the policy has ${bytes.length} bytes`,
      `at most ${LIMITS.fileBytes}`,
    );
    return { ok: false, problems: problems.sorted() };
  }
  const decoded = typeof text === "string" ? text : decodeText(bytes, problems);
  const document = decoded === undefined ? undefined : parseDocument(decoded, problems);
  const policy = document && check(document, problems, warnings);
  if (document === undefined || policy === undefined) return { ok: false, problems: problems.sorted() };
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { ok: true, policy, sha256, warnings: warnings.sorted(), document };
}

function check(document: PolicyDocument, problems: ProblemList, warnings: ProblemList): Policy | undefined {
  checkSemantics(document, { problems, warnings });
  if (isOversized(document)) return undefined;
  const value = document.toValue();
  const result = policySchema.safeParse(value);
  if (!result.success) reportIssues(result.error.issues, value, document, problems);
  return result.success && problems.count === 0 ? resolve(result.data, document) : undefined;
}

function resolve(fields: PolicyFields, document: PolicyDocument): Policy {
  const { version, name, serial, expires, mode } = fields;
  return {
    version,
    name,
    serial,
    ...(expires === undefined ? {} : { expires }),
    mode,
    scopes: Object.entries(fields.scopes).map(([name, cgroups]): Scope => ({
      name,
      cgroups: cgroupRefs(cgroups, document, ["scopes", name]),
      line: document.placeOfKey(["scopes"], name).line,
    })),
    allow: { cgroups: cgroupRefs(fields.allow?.cgroups ?? [], document, ["allow", "cgroups"]) },
    rules: fields.rules.map((rule, index) => resolveRule(rule, index, mode, document)),
  };
}

function resolveRule(
  fields: RuleFields,
  index: number,
  mode: Policy["mode"],
  document: PolicyDocument,
): Rule {
  const at = ["rules", index];
  const line = (...path: (string | number)[]) => document.placeOf([...at, ...path]).line;
  const { paths, inodes, except } = fields;
  return {
    id: fields.id,
    line: line(),
    paths: unique(
      paths.map((value, i) => ({ ...value, line: line("paths", i) })),
      (t) => `${t.path} ${t.subtree}`,
    ),
    inodes: unique(
      inodes.map((value, i) => ({ ...value, line: line("inodes", i) })),
      (t) => `${t.major}:${t.minor}:${t.ino}:${t.generation}`,
    ),
    ops: OPERATIONS.filter((operation) => fields.deny.includes(operation)),
    in: [...new Set(fields.in)],
    except: {
      cgroups: cgroupRefs(except?.cgroups ?? [], document, [...at, "except", "cgroups"]),
      exe: (except?.exe ?? []).map((path, i) => ({ path, line: line("except", "exe", i) })),
      uids: [...new Set(except?.uids)],
    },
    mode: fields.mode ?? mode,
    signal: fields.signal,
  };
}

function cgroupRefs(
  values: readonly CgroupValue[],
  document: PolicyDocument,
  path: readonly (string | number)[],
): readonly CgroupRef[] {
  return values.map((value, index) => ({ ...value, line: document.placeOf([...path, index]).line }));
}

/** The items without those that repeat an earlier one. */
function unique<T>(items: readonly T[], keyOf: (item: T) => string): readonly T[] {
  if (items.length < 2) return items;
  const seen = new Set<string>();
  return items.filter((item) => seen.size < seen.add(keyOf(item)).size);
}
