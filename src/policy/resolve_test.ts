import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { AEGIS, ENTRY, KEY, KIND, OP, RULE } from "../kernel/layout.ts";
import { identityTail, type KernelRule, readEntry, readKey, readRule, viewOf } from "../kernel/packed.ts";
import { type PolicySet, SetBuilder, TooManyRulesError } from "../kernel/set_builder.ts";
import { TestKernel } from "../kernel/test_support.ts";
import {
  PolicyTooLargeError,
  type ResolveContext,
  type ResolvedPolicy,
  resolvePolicy,
  targetText,
} from "./resolve.ts";
import { acceptPolicy } from "./testing.ts";

/** A policy put together for the kernel. */
class Resolved extends TestKernel {
  readonly built = new SetBuilder();
  readonly context: ResolveContext = {
    identities: this.state.identities,
    cgroups: this.folder,
    numbers: (ids) => ids.map((_, index) => 100 + index),
  };

  resolve(rules: string, more = ""): { readonly set: PolicySet; readonly resolution: ResolvedPolicy } {
    const text = `version: 1\nname: test\nserial: 1\n${more}rules:\n${rules.replaceAll("DIR", this.folder)}`;
    const resolution = resolvePolicy(acceptPolicy(text), this.built, this.context);
    return { set: this.built.build(), resolution };
  }
}

function rulesOf({ rules, ruleCount }: PolicySet): KernelRule[] {
  return Array.from(
    { length: ruleCount },
    (_, index) => readRule(viewOf(rules.subarray(index * RULE.SIZE))),
  );
}

function entriesOf(
  { keys, values, entryCount }: PolicySet,
  kind: number,
): { a: bigint; b: bigint; rule: number; mask: bigint }[] {
  return Array.from({ length: entryCount }, (_, index) => ({
    ...readKey(viewOf(keys.subarray(index * KEY.SIZE))),
    ...readEntry(viewOf(values.subarray(index * ENTRY.SIZE))),
  })).filter((entry) => entry.kind === kind);
}

Deno.test("resolvePolicy() turns operations, mode, signal and number into a rule of the kernel", () => {
  using host = new Resolved();
  const { set } = host.resolve(`
  - { id: a, paths: [DIR/x], deny: [write, truncate], mode: audit }
  - { id: b, paths: [DIR/y], signal: kill }
  - { id: c, paths: [DIR/z], deny: [exec], signal: term }
`);
  deepStrictEqual(rulesOf(set).map(({ number, ops, flags, signal }) => [number, ops, flags, signal]), [
    [100, 1 << OP.WRITE | 1 << OP.TRUNCATE, 0, 0],
    [101, 1 << OP.READ | 1 << OP.WRITE | 1 << OP.EXEC, AEGIS.RULE_ENFORCE, 9],
    [102, 1 << OP.EXEC, AEGIS.RULE_ENFORCE, 15],
  ]);
});

Deno.test("resolvePolicy() says where each target stands, inodes first", () => {
  using host = new Resolved();
  const there = host.file("there");
  const { resolution } = host.resolve(`
  - { id: a, paths: [DIR/there, DIR/missing, "DIR/**"], inodes: ["8:1:55", "8:1:56:7"] }
`);
  deepStrictEqual(resolution.targets.map(({ target, identity }) => [targetText(target), identity]), [
    ["8:1:55", undefined],
    ["8:1:56:7", { ino: 56n, dev: 8 << 20 | 1, gen: 7 }],
    [there, host.identityOf(there)],
    [`${host.folder}/missing`, undefined],
    [`${host.folder}/**`, host.identityOf(host.folder)],
  ]);
});

Deno.test("resolvePolicy() names an inode of any generation, or of one", () => {
  using host = new Resolved();
  const { set } = host.resolve(`\n  - { id: a, inodes: ["8:1:55", "8:1:56:7"] }\n`);
  const dev = 8 << 20 | 1;
  deepStrictEqual(entriesOf(set, KIND.INODE).map(({ a, b }) => [a, b]), [[
    55n,
    identityTail({ dev, gen: 0 }),
  ]]);
  deepStrictEqual(entriesOf(set, KIND.FILE).map(({ a, b }) => [a, b]), [[
    56n,
    identityTail({ dev, gen: 7 }),
  ]]);
});

Deno.test("resolvePolicy() gives one bit to each scope and each set of exceptions, and the lowest to allow", () => {
  using host = new Resolved();
  for (const name of ["web", "db", "ops"]) Deno.mkdirSync(`${host.folder}/${name}`);
  const { set } = host.resolve(
    `
  - { id: a, paths: [/x], in: [web] }
  - { id: b, paths: [/x], in: [web, db] }
  - { id: c, paths: [/x], except: { uids: [5, 6] } }
  - { id: d, paths: [/x], except: { uids: [5, 6] } }
  - { id: e, paths: [/x], in: [db], except: { uids: [5] } }
`,
    `allow: { cgroups: [/ops] }
scopes: { web: [/web], db: [/db] }
`,
  );
  deepStrictEqual(rulesOf(set).map(({ scopes, exceptScopes }) => [scopes, exceptScopes]), [
    [2n, 0n],
    [6n, 0n],
    [0n, 8n],
    [0n, 8n],
    [4n, 16n],
  ]);
  const idOf = (name: string) => BigInt(Deno.statSync(`${host.folder}/${name}`).ino ?? 0);
  const masks = new Map(entriesOf(set, KIND.CGROUP).map(({ a, mask }) => [a, mask]));
  deepStrictEqual([idOf("ops"), idOf("web"), idOf("db")].map((id) => masks.get(id)), [1n, 2n, 4n]);
  deepStrictEqual(entriesOf(set, KIND.UID).map(({ a, mask }) => [a, mask]), [[5n, 24n], [6n, 8n]]);
  strictEqual(set.cgroupDepth, 1);
});

Deno.test("resolvePolicy() says which cgroups and executables it waits for", () => {
  using host = new Resolved();
  Deno.mkdirSync(`${host.folder}/there`);
  host.file("tool");
  const { resolution } = host.resolve(
    `\n  - { id: a, paths: [/x], except: { exe: [DIR/tool, DIR/missing], cgroups: [/late] } }\n`,
    "allow: { cgroups: [/there] }\n",
  );
  deepStrictEqual(resolution.waitingExecutables, [`${host.folder}/missing`]);
  deepStrictEqual(resolution.waitingCgroups.map((cgroup) => cgroup.kind === "path" && cgroup.path), [
    "/late",
  ]);
});

Deno.test("resolve() looks again: what has come since is bound, and nothing waits for it any more", () => {
  using host = new Resolved();
  const { resolution } = host.resolve(`
  - { id: a, paths: [DIR/late], except: { exe: [DIR/late-tool], cgroups: [/late-group] } }
`);
  const waiting = () => [
    resolution.targets.filter(({ identity }) => identity === undefined).length,
    resolution.waitingExecutables.length,
    resolution.waitingCgroups.length,
  ];
  deepStrictEqual(waiting(), [1, 1, 1]);
  const path = host.file("late");
  host.file("late-tool");
  Deno.mkdirSync(`${host.folder}/late-group`);
  resolution.resolve(host.state.identities, host.built);
  deepStrictEqual(waiting(), [0, 0, 0]);
  deepStrictEqual(resolution.targets[0]?.identity, host.identityOf(path));
});

Deno.test("resolvePolicy() refuses more sets of callers than a mask has bits", () => {
  using host = new Resolved();
  const rule = (i: number) => `  - { id: r${i}, paths: [/x${i}], except: { uids: [${i + 1}] } }\n`;
  const text = `\n${Array.from({ length: 63 }, (_, i) => rule(i)).join("")}`;
  const { set } = host.resolve(text);
  strictEqual(rulesOf(set)[62]?.exceptScopes, 1n << 63n);
  const policy = acceptPolicy(`version: 1\nname: test\nserial: 1\nrules:${text}`);
  const [first] = policy.rules;
  ok(first);
  const except = { ...first.except, uids: [64] };
  const larger = { ...policy, rules: [...policy.rules, { ...first, id: "one-more", except }] };
  throws(() => resolvePolicy(larger, new SetBuilder(), host.context), PolicyTooLargeError);
});

Deno.test("resolvePolicy() refuses more rules over one file than it has slots", () => {
  using host = new Resolved();
  host.file("popular");
  const rules = Array.from({ length: 17 }, (_, i) => `  - { id: r${i}, paths: [DIR/popular] }\n`).join("");
  throws(() => host.resolve(rules), TooManyRulesError);
});
