import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import type { HandRule } from "./hand_file.ts";
import { HandRules, type Install } from "./hand_rules.ts";
import { timesOf } from "./hand_time.ts";
import { refusalOf } from "./test_support.ts";

const START = Date.parse("2026-01-01T00:00:00Z");

/** Rules by hand over a folder, with a clock that is set by hand. */
class Host implements Disposable {
  readonly state = Deno.makeTempDirSync({ prefix: "aegisbpf-hand-" });
  now = START;
  sinceBoot = 1000;
  boot = "this one";
  installs = 0;
  readonly install: Install = (commit) => {
    commit();
    this.installs++;
  };

  open(options: { mode?: "audit"; refused?: string } = {}): HandRules {
    const clock = { now: () => this.now, sinceBoot: () => this.sinceBoot, boot: this.boot };
    return new HandRules({ state: this.state, clock, ...options });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.state, { recursive: true });
  }
}

function rule(target: string, more: Partial<HandRule> = {}): Omit<HandRule, "id"> & { id?: string } {
  return { target, ops: ["read"], added: new Date(START).toISOString(), ...more };
}

function expires(seconds: number): { expires: string } {
  return { expires: new Date(START + seconds * 1000).toISOString() };
}

const ids = (hand: HandRules): string[] => hand.rules.map(({ id }) => id);

Deno.test("HandRules numbers rules without a name, keeps them, and never gives a number twice", () => {
  using host = new Host();
  const hand = host.open();
  hand.deny(rule("/one"), host.install);
  hand.deny(rule("/two"), host.install);
  hand.deny(rule("/three", { id: "hand:3" }), host.install);
  hand.undeny("hand:2", host.install);
  hand.deny(rule("/four"), host.install);
  deepStrictEqual(ids(hand), ["hand:1", "hand:3", "hand:4"]);
  deepStrictEqual(ids(host.open()), ["hand:1", "hand:3", "hand:4"]);
});

Deno.test("HandRules lets a rule that is there last longer when it is added again", () => {
  using host = new Host();
  const hand = host.open();
  strictEqual(hand.deny(rule("/one", expires(60)), host.install).result, "added");
  const { result, entry } = hand.deny(rule("/one", expires(600)), host.install);
  deepStrictEqual([result, entry.id, hand.rules.length], ["renewed", "hand:1", 1]);
  strictEqual(hand.deny(rule("/one", { ops: ["write"] }), host.install).result, "added");
  strictEqual(hand.deny(rule("/one", { id: "hand:mine" }), host.install).result, "added");
  strictEqual(refusalOf(() => hand.deny(rule("/x", { id: "hand:mine" }), host.install)).exit, 1);
});

Deno.test("HandRules removes by name with and without its prefix, and by target", () => {
  using host = new Host();
  const hand = host.open();
  for (const id of ["hand:a", "hand:b", "hand:c"]) hand.deny(rule("/same", { id }), host.install);
  hand.deny(rule("/other", { id: "hand:d" }), host.install);
  hand.undeny("a", host.install);
  hand.undeny("hand:b", host.install);
  deepStrictEqual(hand.undeny("/same", host.install).map(({ id }) => id), ["hand:c"]);
  const refusal = refusalOf(() => hand.undeny("/othre", host.install));
  strictEqual(refusal.exit, 1);
  match(refusal.message, /did you mean .*\/other/);
});

Deno.test("HandRules ends what has run out, also while no agent ran", () => {
  using host = new Host();
  const hand = host.open();
  hand.deny(rule("/short", expires(60)), host.install);
  hand.deny(rule("/long", expires(600)), host.install);
  hand.allow({ cgroup: "/web", added: new Date(START).toISOString(), ...expires(60) }, host.install);
  deepStrictEqual(hand.expire(host.install), []);
  host.now = START + 60_000;
  deepStrictEqual([ids(hand), hand.exemptions], [["hand:2"], []]);
  const later = host.open();
  deepStrictEqual(later.extend(POLICY).rules.map(({ id }) => id), ["hand:2"]);
  const before = host.installs;
  deepStrictEqual(hand.expire(host.install), [
    "rule hand:1 (/short) has run out",
    "the exemption of /web has run out",
  ]);
  deepStrictEqual([host.installs, hand.expire(host.install)], [before + 1, []]);
});

Deno.test("HandRules changes nothing when the set cannot be made, or the file cannot be written", () => {
  using host = new Host();
  const hand = host.open();
  hand.deny(rule("/one"), host.install);
  throws(() =>
    hand.deny(rule("/two"), () => {
      throw new Error("too many");
    })
  );
  throws(() =>
    hand.deny(rule("/two"), (commit) => {
      commit();
      throw new Error("after it was written");
    })
  );
  deepStrictEqual([ids(hand), ids(host.open())], [["hand:1"], ["hand:1"]]);
  Deno.mkdirSync(`${host.state}/hand.json.new`);
  const refusal = refusalOf(() => hand.deny(rule("/two"), host.install));
  strictEqual(refusal.exit, 70);
  match(refusal.message, /nothing was changed/);
  deepStrictEqual(ids(hand), ["hand:1"]);
});

Deno.test("HandRules stand beside a policy, in the mode of the agent, and leave the policy as it is", () => {
  using host = new Host();
  const hand = host.open();
  hand.deny(rule("/srv/**", { ops: ["write", "delete"] }), host.install);
  hand.deny(rule("8:1:131074"), host.install);
  hand.allow({ cgroup: "id:5", added: new Date(START).toISOString() }, host.install);
  const { rules, allow } = hand.extend(POLICY);
  deepStrictEqual(rules.map(({ paths, inodes, ops, mode }) => [paths, inodes, ops, mode]), [
    [[{ path: "/srv", subtree: true, line: 0 }], [], ["write", "delete"], "enforce"],
    [[], [{ major: 8, minor: 1, ino: 131074n, line: 0 }], ["read"], "enforce"],
  ]);
  deepStrictEqual(allow.cgroups, [{ kind: "id", id: 5n, line: 0 }]);
  deepStrictEqual(POLICY.rules, []);
  deepStrictEqual(
    [hand.wantsEnforce, host.open({ mode: "audit" }).wantsEnforce, rules.every(hand.includes)],
    [true, false, true],
  );
});

Deno.test("HandRules are left out and refused where only signed policies are accepted, and are kept", () => {
  using host = new Host();
  host.open().deny(rule("/one"), host.install);
  const refusing = host.open({ refused: "/etc/aegisbpf/config.yaml requires signatures" });
  deepStrictEqual([refusing.isEmpty, refusing.wantsEnforce], [true, false]);
  match(refusing.notes.join(), /1 rules and exemptions by hand are left out: .*requires signatures/);
  strictEqual(refusalOf(() => refusing.checkAccepted()).exit, 5);
  strictEqual(host.open().isEmpty, false);
});

Deno.test("HandRules go by the clock since boot while it goes on, and by the wall clock after a reboot", () => {
  using host = new Host();
  const hand = host.open();
  const day = 86_400_000;
  hand.deny({ ...rule("/one"), ...timesOf(hand.clock, 60) }, host.install);
  // The wall clock is set, forwards and back.
  for (const now of [START + day, START - day]) {
    host.now = now;
    host.sinceBoot = 1059;
    deepStrictEqual([ids(hand), ids(host.open())], [["hand:1"], ["hand:1"]]);
  }
  host.sinceBoot = 1060;
  deepStrictEqual([ids(hand), ids(host.open())], [[], []]);
  host.boot = "another one";
  host.sinceBoot = 5;
  deepStrictEqual(ids(host.open()), ["hand:1"]);
  host.now = START + 60_000;
  deepStrictEqual(ids(host.open()), []);
});

const POLICY = {
  version: 1,
  name: "p",
  serial: 1,
  mode: "audit",
  scopes: [],
  allow: { cgroups: [] },
  rules: [],
} as const;
