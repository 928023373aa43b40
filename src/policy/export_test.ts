import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { exportPolicy } from "./export.ts";
import type { CgroupRef, Policy, Rule } from "./model.ts";
import { DEFAULT_OPERATIONS, OPERATIONS } from "./operations.ts";
import { acceptPolicy, Random, withoutLines } from "./testing.ts";

Deno.test("exportPolicy() leaves defaults out", () => {
  const text = exportPolicy(acceptPolicy(
    "version: 1\nname: a\nserial: 7\nscopes: {}\nallow: {}\nrules: [{id: a, paths: [/a/**], mode: enforce, signal: none}]",
  ));
  strictEqual(
    text,
    "version: 1\nname: a\nserial: 7\nmode: enforce\nrules:\n  - id: a\n    paths:\n      - /a/**\n",
  );
});

Deno.test("exportPolicy() parses back to the same policy, whatever is in it", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const policy = randomPolicy(new Random(seed));
    const text = exportPolicy(policy);
    const again = acceptPolicy(text);
    deepStrictEqual(withoutLines(again), withoutLines(policy), `seed ${seed}:\n${text}`);
    strictEqual(exportPolicy(again), text, `seed ${seed}`);
  }
});

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

function randomPolicy(random: Random): Policy {
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

function randomRule(random: Random, index: number, scopes: readonly string[]): Rule {
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
