import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { HOOKS } from "./backend.ts";
import {
  cgroupEntry,
  cgroupPlaceEntry,
  executableEntry,
  fileEntry,
  inodeEntry,
  leafEntry,
  placeEntry,
  subtreeEntry,
  uidEntry,
} from "./entries.ts";
import { AEGIS, ENTRY, KEY, KIND, OP, RULE } from "./layout.ts";
import { readEntry, readKey, readRule, viewOf } from "./packed.ts";
import { type PolicySet, SetBuilder, TooManyRulesError } from "./set_builder.ts";
import { AUDIT_READS, identity } from "./test_support.ts";

/** The entries of a set as they go into the kernel. */
function entriesOf({ keys, values, entryCount }: PolicySet): string[] {
  return Array.from({ length: entryCount }, (_, index) => {
    const { kind, a, slot } = readKey(viewOf(keys.subarray(index * KEY.SIZE)));
    const { rule, node, mask } = readEntry(viewOf(values.subarray(index * ENTRY.SIZE)));
    return `${kind}:${a}#${slot} rule ${rule === AEGIS.NO_RULE ? "none" : rule} node ${node} mask ${mask}`;
  });
}

function hooksFor(...ops: number[]): readonly string[] {
  const builder = new SetBuilder();
  for (const op of ops) builder.addRule({ ...AUDIT_READS, ops: 1 << op });
  return builder.build().hooks;
}

Deno.test("SetBuilder gives the rules of one file slots without a hole, in the order of their coming", () => {
  const builder = new SetBuilder();
  for (const rule of [4, 2, 9]) builder.add(fileEntry(identity(7n), rule));
  builder.add(fileEntry(identity(7n, 1), 5));
  deepStrictEqual(entriesOf(builder.build()), [
    `${KIND.FILE}:7#0 rule 4 node 0 mask 0`,
    `${KIND.FILE}:7#1 rule 2 node 0 mask 0`,
    `${KIND.FILE}:7#2 rule 9 node 0 mask 0`,
    `${KIND.FILE}:7#0 rule 5 node 0 mask 0`,
  ]);
});

Deno.test("SetBuilder takes an entry once when it is added twice", () => {
  const builder = new SetBuilder();
  for (let i = 0; i < 3; i++) builder.add(fileEntry(identity(7n), 1));
  for (let i = 0; i < 3; i++) builder.add(placeEntry(identity(7n), 3));
  strictEqual(builder.build().entryCount, 2);
});

Deno.test("SetBuilder merges the masks of one cgroup into one entry", () => {
  const builder = new SetBuilder();
  builder.add(cgroupEntry(11n, 2n));
  builder.add(cgroupEntry(11n, 8n));
  builder.add(cgroupEntry(12n, 1n << 63n));
  deepStrictEqual(entriesOf(builder.build()), [
    `${KIND.CGROUP}:11#0 rule none node 0 mask 10`,
    `${KIND.CGROUP}:12#0 rule none node 0 mask ${1n << 63n}`,
  ]);
});

Deno.test("SetBuilder names the rule that does not fit when a file has more rules than slots", () => {
  const builder = new SetBuilder();
  for (let rule = 0; rule < AEGIS.SLOTS; rule++) builder.add(fileEntry(identity(7n), rule));
  throws(() => builder.add(fileEntry(identity(7n), 40)), (error: unknown) => {
    ok(error instanceof TooManyRulesError);
    strictEqual(error.rule, 40);
    return true;
  });
  builder.add(fileEntry(identity(8n), 40));
});

Deno.test("SetBuilder packs rules in order, also more than its first buffer holds", () => {
  const builder = new SetBuilder();
  for (let number = 0; number < 500; number++) {
    strictEqual(builder.addRule({ ...AUDIT_READS, number }), number);
    builder.add(fileEntry(identity(BigInt(number + 1)), number));
  }
  const { rules, ruleCount, entryCount, keys, admitted } = builder.build();
  deepStrictEqual([ruleCount, entryCount, rules.length], [500, 500, 500 * RULE.SIZE]);
  strictEqual(readRule(viewOf(rules.subarray(499 * RULE.SIZE))).number, 499);
  strictEqual(readKey(viewOf(keys.subarray(499 * KEY.SIZE))).a, 500n);
  strictEqual(admitted.files.size, 500);
});

Deno.test("SetBuilder asks for the live bits and filters that its entries need", () => {
  const cases = [
    [fileEntry(identity(1n), 0), 0, "files"],
    [inodeEntry(identity(1n), 0), 0, "files"],
    [subtreeEntry(identity(1n), 0), AEGIS.LIVE_SUBTREES, "directories"],
    [placeEntry(identity(1n), 3), 0, "places"],
    [cgroupEntry(1n, 1n), AEGIS.LIVE_CGROUPS, undefined],
    [executableEntry(identity(1n), 1n), AEGIS.LIVE_EXES, undefined],
    [uidEntry(0, 1n), AEGIS.LIVE_UIDS, undefined],
  ] as const;
  for (const [entry, live, filter] of cases) {
    const builder = new SetBuilder();
    builder.add(entry);
    const set = builder.build();
    strictEqual(set.live, live, `kind ${entry.kind}`);
    for (const name of ["files", "directories", "places"] as const) {
      deepStrictEqual([...set.admitted[name]], name === filter ? [1n] : [], `kind ${entry.kind}: ${name}`);
    }
  }
});

Deno.test("SetBuilder asks for the hooks of each operation that a rule names", () => {
  deepStrictEqual(hooksFor(OP.READ, OP.WRITE), []);
  deepStrictEqual(hooksFor(OP.DELETE), ["inode_unlink", "inode_rmdir"]);
  deepStrictEqual(hooksFor(OP.RENAME), ["inode_rename"]);
  deepStrictEqual(hooksFor(OP.LINK), ["inode_link"]);
  deepStrictEqual(hooksFor(OP.TRUNCATE), ["inode_setattr"]);
  ok(hooksFor(OP.ATTR).includes("inode_set_acl"));
  const all = hooksFor(...Object.values(OP).slice(0, OP.OPS));
  deepStrictEqual(all, HOOKS.filter((hook) => all.includes(hook)), "in the order of HOOKS, each once");
});

Deno.test("SetBuilder watches mappings when a rule denies to execute what may be read", () => {
  const builder = new SetBuilder();
  builder.addRule({ ...AUDIT_READS, ops: 1 << OP.EXEC });
  deepStrictEqual(builder.build().hooks, ["mmap_file", "file_mprotect"]);
  const both = new SetBuilder();
  both.addRule({ ...AUDIT_READS, ops: 1 << OP.EXEC | 1 << OP.READ });
  deepStrictEqual(both.build().hooks, []);
});

Deno.test("SetBuilder asks for no hook for the canary's rule", () => {
  const builder = new SetBuilder();
  builder.addRule({ ...AUDIT_READS, ops: 0xff, flags: AEGIS.RULE_CANARY });
  deepStrictEqual(builder.build().hooks, []);
});

Deno.test("SetBuilder asks for the hooks by which places are followed", () => {
  const hooksOf = (add: (builder: SetBuilder) => void) => {
    const builder = new SetBuilder();
    add(builder);
    return builder.build().hooks;
  };
  deepStrictEqual(hooksOf((b) => b.add(placeEntry(identity(1n), 3))), [
    "d_instantiate",
    "inode_copy_up",
    "inode_rename",
  ]);
  deepStrictEqual(hooksOf((b) => b.add(cgroupPlaceEntry(1n, 3))), ["cgroup_mkdir"]);
  deepStrictEqual(hooksOf((b) => b.add(leafEntry(3, 1n, 0, false))), ["inode_link"]);
  deepStrictEqual(hooksOf((b) => b.add(subtreeEntry(identity(1n), 0))), ["inode_link"]);
});

Deno.test("SetBuilder keeps the deepest cgroup level", () => {
  const builder = new SetBuilder();
  for (const level of [2, 5, 1]) builder.reachCgroupLevel(level);
  strictEqual(builder.build().cgroupDepth, 5);
});
