/**
 * The one definition of the policy format. The parser, the JSON Schema and the list of accepted keys all come from it.
 *
 * What a single value must look like is said here; what values must be to each other (unique ids, scopes that exist)
 * is in `semantics.ts`.
 *
 * @module
 */

import * as z from "zod";
import { DEFAULT_OPERATIONS, OPERATIONS } from "./operations.ts";
import { EXPECTATIONS, guideTo, type SchemaGuide } from "./schema_guide.ts";
import { parseCgroup, type Parsed, parseFilePath, parseInodeTarget, parsePathTarget } from "./syntax.ts";

/** Names that users choose: of rules and scopes. They appear in metrics and on command lines. */
export const ID_PATTERN = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** What a policy's name may be: as an id, with capitals. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

const mode = z.enum(["enforce", "audit"]).meta({
  description: "enforce: refuse with EPERM; audit: let through and report",
});

const id = z.string().regex(ID_PATTERN).register(EXPECTATIONS, {
  expected: "lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63",
});

const pathTarget = parsed(parsePathTarget, {
  description: "A file; DIR/** is a directory and everything below it. Need not exist yet.",
  expected: "an absolute path such as /etc/shadow or /etc/ssl/private/**",
  pattern: "^/",
});

const filePath = parsed(parseFilePath, {
  description: "An executable: the file, under whatever name it is run.",
  expected: "an absolute path such as /usr/sbin/sshd",
  pattern: "^/",
});

const inodeTarget = parsed(parseInodeTarget, {
  description: "MAJOR:MINOR:INO[:GENERATION], the superblock's device in decimal",
  expected: "MAJOR:MINOR:INO[:GENERATION] in decimal, such as 8:1:131074",
  pattern: "^[0-9]+:[0-9]+:[0-9]+(:[0-9]+)?$",
});

const cgroup = parsed(parseCgroup, {
  description: "A cgroup with its whole subtree: its path below the cgroup2 root, or id:N",
  expected: "a path below the cgroup2 root such as /system.slice/nginx.service, or id:5123",
  pattern: "^(/|id:[0-9]+$)",
});

const except = z.strictObject({
  cgroups: z.array(cgroup).default([]),
  exe: z.array(filePath).default([]),
  uids: z.array(z.int().min(0).max(0xfffffffe)).default([]).meta({ description: "Numeric user ids" }),
});

const rule = z.strictObject({
  id: id.meta({ description: "Unique in the policy; events and metrics name the rule by it" }),
  paths: z.array(pathTarget).default([]),
  inodes: z.array(inodeTarget).default([]),
  deny: z.array(z.enum(OPERATIONS)).min(1).default([...DEFAULT_OPERATIONS]),
  in: z.array(id).min(1).optional().meta({ description: "Scopes the rule applies in; default: everywhere" }),
  except: except.optional().meta({ description: "Callers the rule does not apply to" }),
  mode: mode.optional().meta({ description: "Default: the policy's mode" }),
  signal: z.enum(["none", "term", "kill"]).default("none").meta({
    description: "Signal for the denied process, besides EPERM",
  }),
}).meta({ description: "Needs at least one entry in paths or inodes" });

/** The policy format. Input: a YAML document as plain values. Output: the same, texts parsed and defaults filled in. */
export const policySchema = z.strictObject({
  version: z.literal(1).meta({ description: "Version of the format" }),
  name: z.string().regex(NAME_PATTERN).register(EXPECTATIONS, {
    expected: "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63",
  }),
  serial: z.int().min(1).meta({ description: "Number of the rollout; it only grows" }),
  expires: z.iso.datetime({ offset: true }).register(EXPECTATIONS, {
    expected: "a time with its zone, such as 2027-06-01T00:00:00Z",
  }).optional().meta({
    description: "After it, the policy can no longer be applied anew",
  }),
  mode: mode.default("enforce"),
  scopes: z.record(id, z.array(cgroup).min(1)).default({}).meta({ description: "Named sets of cgroups" }),
  allow: z.strictObject({
    cgroups: z.array(cgroup).default([]).meta({ description: "Exempt from every rule" }),
  }).optional(),
  rules: z.array(rule),
});

/** A policy that fits the schema, before it is checked as a whole. */
export type PolicyFields = z.output<typeof policySchema>;
/** A rule of `PolicyFields`. */
export type RuleFields = PolicyFields["rules"][number];

/** The format as JSON Schema (draft 2020-12), for editors. Rules that JSON Schema cannot say are left to the parser. */
export function policyJsonSchema(): Record<string, unknown> {
  const { $schema, ...body } = z.toJSONSchema(policySchema, { io: "input" });
  return { $schema, title: "aegisbpf policy, version 1", ...body };
}

/** What the format says about places in a policy. */
export const POLICY_GUIDE: SchemaGuide = guideTo(policySchema);

interface TextDescription {
  readonly description: string;
  readonly expected: string;
  readonly pattern: string;
}

function parsed<T>(parse: (text: string) => Parsed<T>, about: TextDescription) {
  return z.string().meta({ description: about.description, pattern: about.pattern }).transform(
    (text, context): T => {
      const result = parse(text);
      if (result.ok) return result.value;
      context.issues.push({ code: "custom", message: result.message, input: text });
      return z.NEVER;
    },
  ).register(EXPECTATIONS, { expected: about.expected });
}
