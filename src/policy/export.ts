/**
 * Writes a policy as YAML that parses back to the same policy.
 *
 * Defaults are left out, so the text reads as if written by hand, and the same policy always gives the same text.
 *
 * @module
 */

import { stringify } from "yaml";
import type { CgroupRef, Exceptions, Policy, Rule } from "./model.ts";
import { DEFAULT_OPERATIONS } from "./operations.ts";
import { formatCgroup, formatInodeTarget, formatPathTarget } from "./syntax.ts";

/** The policy as YAML; comments and layout of the file it came from are not in it. */
export function exportPolicy(policy: Policy): string {
  return stringify(policyFields(policy), { lineWidth: 0, aliasDuplicateObjects: false, version: "1.2" });
}

/** The policy as plain values that fit the schema, defaults left out. */
export function policyFields(policy: Policy): Record<string, unknown> {
  const scopes = policy.scopes.map(({ name, cgroups }) => [name, formatCgroups(cgroups)] as const);
  return {
    version: policy.version,
    name: policy.name,
    serial: policy.serial,
    ...(policy.expires === undefined ? {} : { expires: policy.expires }),
    mode: policy.mode,
    ...(scopes.length === 0 ? {} : { scopes: Object.fromEntries(scopes) }),
    ...(policy.allow.cgroups.length === 0 ? {} : { allow: { cgroups: formatCgroups(policy.allow.cgroups) } }),
    rules: policy.rules.map((rule) => ruleFields(rule, policy.mode)),
  };
}

function ruleFields(rule: Rule, policyMode: Policy["mode"]): Record<string, unknown> {
  const except = exceptFields(rule.except);
  return {
    id: rule.id,
    ...listField("paths", rule.paths.map(formatPathTarget)),
    ...listField("inodes", rule.inodes.map(formatInodeTarget)),
    ...(isDefault(rule.ops) ? {} : { deny: [...rule.ops] }),
    ...listField("in", rule.in),
    ...(Object.keys(except).length === 0 ? {} : { except }),
    ...(rule.mode === policyMode ? {} : { mode: rule.mode }),
    ...(rule.signal === "none" ? {} : { signal: rule.signal }),
  };
}

function exceptFields(except: Exceptions): Record<string, unknown> {
  return {
    ...listField("cgroups", formatCgroups(except.cgroups)),
    ...listField("exe", except.exe.map(({ path }) => path)),
    ...listField("uids", except.uids),
  };
}

function listField(key: string, items: readonly unknown[]): Record<string, unknown> {
  return items.length === 0 ? {} : { [key]: [...items] };
}

function formatCgroups(cgroups: readonly CgroupRef[]): string[] {
  return cgroups.map(formatCgroup);
}

function isDefault(ops: Rule["ops"]): boolean {
  return ops.length === DEFAULT_OPERATIONS.length &&
    ops.every((op, index) => op === DEFAULT_OPERATIONS[index]);
}
