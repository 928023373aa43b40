/**
 * Makes policies up for tests: valid, unlike what a person would write, the same for the same seed.
 *
 * @module
 */

import type { CgroupRef, Policy, Rule, Scope } from "./model.ts";
import { DEFAULT_OPERATIONS, OPERATIONS } from "./operations.ts";
import type { Random } from "./testing.ts";

/** A policy with a bit of everything, lines all 0. */
export function randomPolicy(random: Random): Policy {
  const scopes = random.list(4, (index) => ({
    name: `${random.pick(["web", "1", "null", "a-b.c", "yes"])}-${index}`,
    cgroups: [cgroup(random), ...random.list(2, () => cgroup(random))],
    line: 0,
  }));
  return {
    version: 1,
    name: random.pick(["a", "1", "true", "Web_tier-1.2", "null", "1e3"]),
    serial: random.pick([1, 2, 1e6, Number.MAX_SAFE_INTEGER]),
    ...(random.below(2) === 0 ? {} : { expires: "2027-06-01T00:00:00+02:00" }),
    mode: random.pick(["enforce", "audit"]),
    scopes,
    allow: { cgroups: random.list(2, () => cgroup(random)) },
    rules: random.list(6, (index) => randomRule(random, index, scopes.map(({ name }) => name))),
  };
}

/** A rule of a policy with these scopes; no two indices give the same id. */
export function randomRule(random: Random, index: number, scopes: readonly string[]): Rule {
  const ops = OPERATIONS.filter(() => random.below(2) === 0);
  return {
    id: `${random.pick(["r", "1e3", "0", "true", "no"])}-${index}`,
    line: 0,
    paths: random.list(3, (i) => ({ path: path(random, i), subtree: random.below(2) === 0, line: 0 })),
    inodes: [
      {
        major: random.below(4096),
        minor: random.below(1 << 20),
        ino: u64(random),
        generation: random.below(7),
        line: 0,
      },
      ...random.list(1, () => ({ major: 0, minor: 5, ino: u64(random), line: 0 })),
    ],
    ops: ops.length === 0 ? DEFAULT_OPERATIONS : ops,
    in: scopes.filter(() => random.below(3) === 0),
    except: {
      cgroups: random.list(2, () => cgroup(random)),
      exe: random.list(2, (i) => ({ path: path(random, i), line: 0 })),
      uids: random.below(2) === 0 ? [] : [0, 1000, 0xfffffffe],
    },
    mode: random.pick(["enforce", "audit"]),
    signal: random.pick(["none", "term", "kill"]),
  };
}

/** A policy that another one may have become: rules and scopes added, taken out, changed and moved. */
export function evolvedPolicy(random: Random, policy: Policy): Policy {
  const other = randomPolicy(random);
  const scopes = [...kept(random, policy.scopes), ...other.scopes.map(renamed)];
  const names = scopes.map(({ name }) => name);
  const rules = kept(random, policy.rules).map((rule, index): Rule => ({
    ...(random.below(2) === 0 ? rule : { ...randomRule(random, index, names), id: rule.id }),
    in: names.filter(() => random.below(3) === 0),
  }));
  const added = random.list(3, (index) => ({
    ...randomRule(random, index, names),
    id: `new-${index}`,
  }));
  for (const rule of added) rules.splice(random.below(rules.length + 1), 0, rule);
  if (rules.length > 1 && random.below(2) === 0) {
    rules.splice(random.below(rules.length), 0, ...rules.splice(random.below(rules.length), 1));
  }
  return { ...(random.below(2) === 0 ? policy : other), scopes, rules };
}

function kept<T>(random: Random, items: readonly T[]): T[] {
  return items.filter(() => random.below(4) !== 0);
}

function renamed(scope: Scope): Scope {
  return { ...scope, name: `new-${scope.name}` };
}

/** A path that no other index of the same list has. */
function path(random: Random, index: number): string {
  return `/${index}/${random.list(3, () => random.pick(NAMES)).join("/")}`.replace(/\/$/, "");
}

function cgroup(random: Random): CgroupRef {
  if (random.below(2) === 0) return { kind: "id", id: u64(random), line: 0 };
  return {
    kind: "path",
    path: random.pick(["/", "/a", "/system.slice/x@a:b.service", "/user.slice/\\x2d #"]),
    line: 0,
  };
}

function u64(random: Random): bigint {
  return random.pick([1n, 131074n, 2n ** 53n + 1n, 2n ** 64n - 1n]);
}

/** Names that a careless YAML printer gets wrong, or that are unusual but right. */
const NAMES = [
  "etc",
  "true",
  "null",
  "~",
  "1e3",
  "0x1f",
  " lead",
  "trail ",
  "a: b",
  "a #b",
  "- x",
  "'",
  '"',
  "\\x2d",
  "%",
  "@",
  "`",
  "|",
  ">",
  "&a",
  "!t",
  "]",
  "}",
  ",",
  "=",
  "caf\u00e9",
  "\u6587\u4ef6",
  "\u{1f512}",
  "a".repeat(200),
] as const;
