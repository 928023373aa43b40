import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { readRuleCounts } from "../kernel/counters.ts";
import type { KernelState } from "../kernel/state.ts";
import { explain } from "./explain.ts";
import type { DenyAdd } from "./hand_api.ts";
import { HandControl } from "./hand_control.ts";
import { HandRules } from "./hand_rules.ts";
import type { HistoryFact } from "./history_chain.ts";
import { PolicyEngine } from "./policy_engine.ts";
import { policyBytes, refusalOf, TestInstallation } from "./test_support.ts";
import { policyViewOf, summaryOf } from "./views.ts";

/** An agent's engine with rules by hand, and a clock that is set by hand. */
class Host extends TestInstallation {
  now = Date.now();
  readonly logged: string[] = [];
  readonly recorded: string[] = [];
  readonly history = {
    append: ({ reason = "" }: HistoryFact): void => {
      this.recorded.push(reason);
    },
  };

  /** As a new agent has them. */
  start(): { hand: HandControl; engine: PolicyEngine } {
    const clock = { now: () => this.now, sinceBoot: () => this.now / 1000, boot: "this one" };
    const hand = new HandRules({ state: this.places.state, clock });
    const { state, pins, store, places } = this;
    const engine = new PolicyEngine({ state, pins, store, locations: places, beside: hand });
    const context = { hand, engine, state, locations: places, installed: () => {}, history: this.history };
    return { hand: new HandControl({ ...context, log: (line) => this.logged.push(line) }), engine };
  }

  apply(engine: PolicyEngine, paths: readonly string[], serial = 1): void {
    engine.apply(engine.check(policyBytes({ paths, serial }), "p.yaml"));
  }

  /** How often each rule was hit. */
  hits(engine: PolicyEngine): Record<string, number> {
    const rows = readRuleCounts(this.state.maps);
    return Object.fromEntries(rows.map(({ rule, count }) => [engine.numbers.nameOf(rule), Number(count)]));
  }
}

Deno.test("deny() covers a file at once, beside the policy and without one", () => {
  using host = new Host();
  const { hand, engine } = host.start();
  const [one, two] = [host.file("one"), host.file("two")];
  const { result, rule } = hand.deny({ target: one, id: "leak" });
  deepStrictEqual([result, rule.id, rule.state, rule.effect, rule.expires], [
    "added",
    "hand:leak",
    "bound",
    "audit",
    null,
  ]);
  Deno.readTextFileSync(one);
  deepStrictEqual(host.hits(engine), { "hand:leak": 1 });
  host.apply(engine, [two]);
  Deno.readTextFileSync(one);
  Deno.readTextFileSync(two);
  deepStrictEqual(host.hits(engine), { "hand:leak": 2, watched: 1 });
  hand.undeny("leak");
  Deno.readTextFileSync(one);
  deepStrictEqual(host.hits(engine), { "hand:leak": 2, watched: 1 });
  deepStrictEqual(engine.current?.policy.rules.map(({ id }) => id), ["watched"]);
  deepStrictEqual(host.recorded, [
    `rule hand:leak added: deny read,write,exec of ${one}`,
    `rule hand:leak (${one}) removed`,
  ]);
});

Deno.test("rules by hand are there after a restart, and leave nothing behind when all are gone", () => {
  using host = new Host();
  const { control } = host.state;
  const path = host.file("one");
  host.start().hand.deny({ target: path });
  const { hand, engine } = host.start();
  hand.startWithoutPolicy();
  Deno.readTextFileSync(path);
  deepStrictEqual(host.hits(engine), { "hand:1": 1 });
  deepStrictEqual(control.setInfo(control.liveIndex()).name, "by-hand");
  hand.undeny(path);
  Deno.readTextFileSync(path);
  deepStrictEqual([host.hits(engine), String(engine.current)], [{ "hand:1": 1 }, "undefined"]);
  strictEqual(control.setInfo(control.liveIndex()).name, "");
});

Deno.test("what ran out while no agent ran is taken out at the start", () => {
  using host = new Host();
  const path = host.file("one");
  host.start().hand.deny({ target: path, ttl_s: 60 });
  host.now += 61_000;
  const { hand, engine } = host.start();
  hand.startWithoutPolicy();
  Deno.readTextFileSync(path);
  deepStrictEqual([host.hits(engine), hand.rules().rules], [{}, []]);
});

Deno.test("tick() ends what has run out, and says so", () => {
  using host = new Host();
  const { hand, engine } = host.start();
  const path = host.file("one");
  hand.deny({ target: path, ttl_s: 60 });
  strictEqual(hand.rules().rules[0]?.remaining_s, 60);
  hand.tick();
  Deno.readTextFileSync(path);
  host.now += 60_000;
  hand.tick();
  Deno.readTextFileSync(path);
  deepStrictEqual(host.hits(engine), { "hand:1": 1 });
  match(host.logged.join("\n"), /rule hand:1 .* has run out/);
});

Deno.test("a file that left its place stays covered by a rule by hand when sets are made anew", () => {
  using host = new Host();
  const { hand, engine } = host.start();
  const [one, two] = [host.file("one"), host.file("two")];
  hand.deny({ target: two, id: "other" });
  hand.deny({ target: one, id: "mine" });
  Deno.renameSync(one, `${host.folder}/moved`);
  host.apply(engine, [host.file("three")]);
  hand.undeny("other");
  hand.deny({ target: two, id: "third" });
  Deno.readTextFileSync(`${host.folder}/moved`);
  deepStrictEqual(host.hits(engine), { "hand:mine": 1 });
  hand.undeny("mine");
  Deno.readTextFileSync(`${host.folder}/moved`);
  deepStrictEqual(host.hits(engine), { "hand:mine": 1 });
});

Deno.test("a file that left its place stays covered over a restart, by hand and by the policy", () => {
  using host = new Host();
  const { hand, engine } = host.start();
  const [one, two] = [host.file("one"), host.file("two")];
  host.apply(engine, [two]);
  hand.deny({ target: one, id: "mine" });
  for (const path of [one, two]) Deno.renameSync(path, `${path}.moved`);
  const again = host.start();
  host.apply(again.engine, [two]);
  for (const path of [one, two]) Deno.readTextFileSync(`${path}.moved`);
  deepStrictEqual(host.hits(again.engine), { "hand:mine": 1, watched: 1 });
  const third = host.start();
  host.apply(third.engine, [two], 2);
  for (const path of [one, two]) Deno.readTextFileSync(`${path}.moved`);
  deepStrictEqual(host.hits(third.engine), { "hand:mine": 2, watched: 1 });
});

Deno.test("allow() exempts a cgroup, waits for one that is not there, and warns of the whole host", () => {
  using host = new Host();
  const { hand, engine } = host.start();
  const path = host.file("one");
  host.apply(engine, [path]);
  const waiting = hand.allow({ cgroup: "/none-of-this-name.slice", ttl_s: 60 });
  deepStrictEqual([waiting.cgroup.state, waiting.cgroup.remaining_s, waiting.warnings], ["waiting", 60, []]);
  Deno.readTextFileSync(path);
  match(hand.allow({ cgroup: "/" }).warnings.join(), /every process/);
  Deno.readTextFileSync(path);
  deepStrictEqual(host.hits(engine), { watched: 1 });
  strictEqual(hand.disallow("/").removed.cgroup, "/");
  Deno.readTextFileSync(path);
  deepStrictEqual(host.hits(engine), { watched: 2 });
  strictEqual(refusalOf(() => hand.disallow("/")).exit, 1);
});

/** Requests that are refused, with the exit code and what the message says. */
const BAD: readonly (readonly [DenyAdd, number, RegExp])[] = [
  [{ target: "relative" }, 2, /absolute path, DIR\/\*\*, or MAJOR:MINOR:INO/],
  [{ target: "" }, 2, /Expected an absolute path/],
  [{ target: "/a/../b" }, 2, /Expected an absolute path/],
  [{ target: "/a/*" }, 2, /Expected an absolute path/],
  [{ target: "/a\0b" }, 2, /Expected an absolute path/],
  [{ target: `/${"x".repeat(256)}` }, 2, /Expected an absolute path/],
  [{ target: "8:1" }, 2, /not an inode/],
  [{ target: "5000:1:7" }, 2, /major number/],
  [{ target: "8:1:0" }, 2, /inode number/],
  [{ target: "8:1:99999999999999999999" }, 2, /inode number/],
  [{ target: "/x", ops: ["raed"] }, 2, /did you mean read\?/],
  [{ target: "/x", ops: [] }, 2, /Expected operations/],
  [{ target: "/x", id: "Upper" }, 2, /lower-case letters/],
  [{ target: "/x", id: "hand:x" }, 2, /lower-case letters/],
  [{ target: "/x", id: "x".repeat(59) }, 2, /at most 58/],
  [
    { target: "/etc/**" },
    4,
    /would lock the host out \(--force overrides\): rule by hand: \/etc\/\*\* covers/,
  ],
];

Deno.test("deny() refuses bad requests, each with its reason, and changes nothing", () => {
  using host = new Host();
  const { hand, engine } = host.start();
  hand.deny({ target: host.file("kept") });
  const before = [engine.current?.generation, hand.rules()];
  for (const [request, exit, message] of BAD) {
    const refusal = refusalOf(() => hand.deny(request));
    const what = JSON.stringify(request);
    match(refusal.message, message, what);
    strictEqual(refusal.exit, exit, what);
  }
  deepStrictEqual([engine.current?.generation, hand.rules()], before);
});

Deno.test("deny() takes what would lock the host out when it is forced, and warns", () => {
  using host = new Host();
  const { hand } = host.start();
  // Under this backend nothing is refused.
  const { warnings } = hand.deny({ target: Deno.execPath(), force: true });
  ok(warnings.some((warning) => warning.includes(Deno.execPath())), warnings.join());
});

Deno.test("deny() refuses one rule more for a file than the kernel side looks at", () => {
  using host = new Host();
  const { hand } = host.start();
  const target = host.file("popular");
  for (let i = 0; i < 16; i++) hand.deny({ target, id: `r${i}` });
  const refusal = refusalOf(() => hand.deny({ target, id: "r16" }));
  deepStrictEqual([refusal.exit, hand.rules().rules.length], [4, 16]);
  match(refusal.message, /at most 16 rules/);
});

Deno.test("allow() refuses what is no cgroup", () => {
  using host = new Host();
  const { hand } = host.start();
  for (const cgroup of ["", "web", "/sys/fs/cgroup/web", "id:", "id:0", "id:x", "/a/../b", "/a\nb"]) {
    strictEqual(refusalOf(() => hand.allow({ cgroup })).exit, 2, cgroup);
  }
});

Deno.test("rules by hand are shown as such in the policy, in health's count and by explain", () => {
  using host = new Host();
  const { hand, engine } = host.start();
  const path = host.file("one");
  host.apply(engine, [host.file("two")]);
  hand.deny({ target: path, ops: ["read"], ttl_s: 60 });
  hand.allow({ cgroup: "/none-of-this-name.slice" });
  ok(engine.current);
  const summary = summaryOf(engine.current);
  deepStrictEqual([summary.rules, summary.by_hand], [2, 1]);
  const view = policyViewOf(engine.current, host.state, { ...hand.rules(), ...hand.exemptions() });
  deepStrictEqual(view.rule_list.map(({ id, origin }) => [id, origin]), [["watched", undefined], [
    "hand:1",
    "hand",
  ]]);
  strictEqual(typeof view.rule_list[1]?.expires, "string");
  deepStrictEqual([view.allow.cgroups, view.allow.by_hand?.map(({ cgroup }) => cgroup)], [[], [
    "/none-of-this-name.slice",
  ]]);
  const report = explain({ state: host.state, engine }, { path });
  deepStrictEqual([report.rule?.id, report.rule?.origin, report.rule?.line], ["hand:1", "hand", null]);
});

Deno.test("explain() says how what is by hand goes away again", () => {
  using host = new Host();
  const { hand, engine } = host.start();
  const [one, two] = [host.file("one"), host.file("two")];
  host.apply(engine, [two]);
  hand.deny({ target: one, ops: ["read"] });
  hand.allow({ cgroup: "/none-of-this-name.slice" });
  const state: KernelState = Object.create(host.state, { backend: { value: "lsm" } });
  const denied = explain({ state, engine }, { path: one });
  deepStrictEqual([denied.decision, denied.change?.steps], [
    "deny",
    ["remove the rule by hand: aegisbpf deny remove hand:1"],
  ]);
  const exempt = explain({ state, engine }, { path: two, cgroup: "/none-of-this-name.slice" });
  strictEqual(exempt.decision, "allow");
  strictEqual(
    exempt.change?.steps[0],
    "end the exemption by hand: aegisbpf allow remove /none-of-this-name.slice",
  );
});
