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

const mode = z.enum(["enforce", "audit"]);

const id = z.string().regex(ID_PATTERN).register(EXPECTATIONS, {
  expected: "lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63",
});

const pathTarget = parsed(parsePathTarget, {
  description: "A file; DIR/** is a directory and everything below it. Need not exist yet.",
  expected: "an absolute path such as /etc/shadow or /etc/ssl/private/**",
  pattern: "^/",
  examples: ["/etc/shadow", "/etc/ssl/private/**"],
});

const filePath = parsed(parseFilePath, {
  description: "An executable: the file, under whatever name it is run.",
  expected: "an absolute path such as /usr/sbin/sshd",
  pattern: "^/",
  examples: ["/usr/sbin/sshd"],
});

const inodeTarget = parsed(parseInodeTarget, {
  description: "MAJOR:MINOR:INO[:GENERATION], the superblock's device in decimal",
  expected: "MAJOR:MINOR:INO[:GENERATION] in decimal, such as 8:1:131074",
  pattern: "^[0-9]+:[0-9]+:[0-9]+(:[0-9]+)?$",
  examples: ["8:1:131074", "253:0:2049:3113851"],
});

const cgroup = parsed(parseCgroup, {
  description: "A cgroup with its whole subtree: its path below the cgroup2 root, or id:N",
  expected: "a path below the cgroup2 root such as /system.slice/nginx.service, or id:5123",
  pattern: "^(/|id:[0-9]+$)",
  examples: ["/system.slice/nginx.service", "id:5123"],
});

const except = z.strictObject({
  cgroups: z.array(cgroup).default([]).meta({ description: "Cgroups, each with its subtree" }),
  exe: z.array(filePath).default([]).meta({ description: "Executables that the caller may be running" }),
  uids: z.array(z.int().min(0).max(0xfffffffe)).default([]).meta({
    description: "Numeric user ids",
    examples: [[0, 33]],
  }),
});

const rule = z.strictObject({
  id: id.meta({
    description: "Unique in the policy; events and metrics name the rule by it",
    examples: ["tls-keys"],
  }),
  paths: z.array(pathTarget).default([]).meta({
    description:
      "Files and directories by their place: what stands there now, under every name it has, and what " +
      "comes to stand there later",
  }),
  inodes: z.array(inodeTarget).default([]).meta({ description: "Files by what they are to the kernel" }),
  deny: z.array(z.enum(OPERATIONS)).min(1).default([...DEFAULT_OPERATIONS]).meta({
    description: "Operations that are denied; reading, writing and executing by default",
    examples: [["write", "delete", "rename", "truncate"]],
  }),
  in: z.array(id).min(1).optional().meta({
    description: "Scopes the rule applies in; default: everywhere",
    examples: [["web"]],
  }),
  except: except.optional().meta({
    description: "Callers the rule does not apply to; any one match is enough",
  }),
  mode: mode.optional().meta({
    description: "As the policy's mode, for this rule. Default: the policy's mode",
  }),
  signal: z.enum(["none", "term", "kill"]).default("none").meta({
    description: "Signal for the denied process, besides EPERM",
  }),
}).meta({
  description: "Which files, which operations, for whom. Needs at least one entry in paths or inodes.",
  anyOf: ["paths", "inodes"].map((key) => ({
    required: [key],
    properties: { [key]: { type: "array", minItems: 1 } },
  })),
});

/** The policy format. Input: a YAML document as plain values. Output: the same, texts parsed and defaults filled in. */
export const policySchema = z.strictObject({
  version: z.literal(1).meta({ description: "Version of the format" }),
  name: z.string().regex(NAME_PATTERN).meta({
    description: "Name of the policy, for people; in health, events and metrics",
    examples: ["web-tier"],
  }).register(EXPECTATIONS, {
    expected: "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63",
  }),
  serial: z.int().min(1).meta({
    description: "Number of the rollout; it only grows. A lower one than that in force is refused",
    examples: [7],
  }),
  expires: z.iso.datetime({ offset: true }).register(EXPECTATIONS, {
    expected: "a time with its zone, such as 2027-06-01T00:00:00Z",
  }).optional().meta({
    description: "After it, the policy can no longer be applied anew; what runs goes on",
    examples: ["2027-06-01T00:00:00Z"],
  }),
  mode: mode.default("enforce").meta({
    description: "enforce: refuse with EPERM; audit: let through and report",
  }),
  scopes: z.record(id, z.array(cgroup).min(1)).default({}).meta({
    description: "Named sets of cgroups, for rules' in",
    examples: [{ web: ["/system.slice/nginx.service"] }],
  }),
  allow: z.strictObject({
    cgroups: z.array(cgroup).default([]).meta({ description: "Cgroups, each with its subtree" }),
  }).optional().meta({ description: "Who is exempt from every rule" }),
  rules: z.array(rule).meta({
    description: "The rules. They add up: an access is denied if one of them denies it",
  }),
});

/** A policy that fits the schema, before it is checked as a whole. */
export type PolicyFields = z.output<typeof policySchema>;
/** A rule of `PolicyFields`. */
export type RuleFields = PolicyFields["rules"][number];

/** The format as JSON Schema (draft 2020-12), for editors. Rules that JSON Schema cannot say are left to the parser. */
export function policyJsonSchema(): Record<string, unknown> {
  const { $schema, ...body } = z.toJSONSchema(policySchema, { io: "input" });
  return {
    $schema,
    $id: "urn:aegisbpf:policy:1",
    title: "aegisbpf policy, version 1",
    description:
      "Which files nobody may open, or only some: see aegisbpf policy validate, apply and simulate.",
    ...body,
    examples: [EXAMPLE],
  };
}

/** What the format says about places in a policy. */
export const POLICY_GUIDE: SchemaGuide = guideTo(policySchema);

const EXAMPLE = {
  version: 1,
  name: "web-tier",
  serial: 7,
  scopes: { web: ["/system.slice/nginx.service"] },
  rules: [{ id: "tls-keys", paths: ["/etc/ssl/private/**"], deny: ["write"], in: ["web"] }],
};

interface TextDescription {
  readonly description: string;
  readonly expected: string;
  readonly pattern: string;
  readonly examples: readonly string[];
}

function parsed<T>(parse: (text: string) => Parsed<T>, about: TextDescription) {
  const { description, pattern, examples } = about;
  return z.string().meta({ description, pattern, examples }).transform(
    (text, context): T => {
      const result = parse(text);
      if (result.ok) return result.value;
      context.issues.push({ code: "custom", message: result.message, input: text });
      return z.NEVER;
    },
  ).register(EXPECTATIONS, { expected: about.expected });
}
