import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { resumeDecisions, stopDecisions } from "../kernel/emergency.ts";
import { Agent } from "./agent.ts";
import { Emergency } from "./emergency.ts";
import { reasonProblem } from "./emergency_api.ts";
import { EmergencyControl } from "./emergency_control.ts";
import { EventOutlets } from "./event_outlets.ts";
import { EmergencyRecord, lastReason } from "./emergency_record.ts";
import type { HistoryEntry, HistoryFact } from "./history_chain.ts";
import { policyBytes, TestInstallation } from "./test_support.ts";

class Host extends TestInstallation {
  readonly logged: string[] = [];
  readonly entries: HistoryEntry[] = [];
  readonly record = new EmergencyRecord(this.places.state);
  readonly file2 = `${this.places.state}/emergency.json`;

  emergency(via: "agent" | "pins" = "agent"): Emergency {
    return new Emergency({ control: this.state.control, record: this.record, via });
  }

  control(): EmergencyControl {
    const { entries } = this;
    const history = { entries, append: (fact: HistoryFact) => void entries.push(fact as HistoryEntry) };
    return new EmergencyControl(this.emergency(), { history, log: (line) => this.logged.push(line) });
  }

  get actions(): unknown[] {
    return this.record.read().entries.map(({ action, reason, via }) => [action, reason, via]);
  }
}

Deno.test("an emergency stop is in force, recorded with its reason, and ends by command", () => {
  using host = new Host();
  const control = host.control();
  const changed = control.disable({ reason: "INC-1", for_s: 60, login_uid: 1000 });
  deepStrictEqual([changed.active, changed.was_active, changed.reason, changed.warnings], [
    true,
    false,
    "INC-1",
    [],
  ]);
  ok(changed.remaining_s > 50 && changed.remaining_s <= 60, String(changed.remaining_s));
  strictEqual(changed.history[0]?.login_uid, 1000);
  match(host.logged[0] ?? "", /EMERGENCY: nothing is refused until .*: INC-1/);
  const again = control.disable({ reason: "INC-2", for_s: 600 });
  deepStrictEqual([again.was_active, again.reason, again.remaining_s > 500], [true, "INC-2", true]);
  strictEqual(lastReason(host.places.state), "INC-2");
  const ended = control.enable(1000);
  deepStrictEqual([ended.active, ended.was_active, ended.reason, ended.until], [false, true, null, null]);
  strictEqual(control.enable().was_active, false);
  deepStrictEqual(host.actions, [
    ["disable", "INC-1", "agent"],
    ["disable", "INC-2", "agent"],
    ["enable", undefined, "agent"],
  ]);
  strictEqual(lastReason(host.places.state), undefined);
});

Deno.test("an emergency stop that ended by itself is noted once, by the agent that sees it or by the next", () => {
  using host = new Host();
  const control = host.control();
  control.disable({ reason: "short", for_s: 60 });
  control.tick();
  stopDecisions(host.state.control, 0n);
  control.tick();
  control.tick();
  host.emergency("pins").disable({ reason: "no agent", for_s: 60 });
  stopDecisions(host.state.control, 0n);
  host.control();
  host.control();
  deepStrictEqual(host.actions, [
    ["disable", "short", "agent"],
    ["expired", undefined, "agent"],
    ["disable", "no agent", "pins"],
    ["expired", undefined, "agent"],
  ]);
  strictEqual(host.logged.filter((line) => line.includes("has ended by itself")).length, 2);
  deepStrictEqual(host.entries.map(({ reason }) => reason?.replaceAll(/[^ ]+T[^ ]+Z/g, "T")), [
    "disable at T, until T: short",
    "expired at T",
    "disable at T, until T, without an agent: no agent",
    "expired at T",
  ]);
});

Deno.test("an emergency stop works where it cannot be recorded, and says so", () => {
  using host = new Host();
  Deno.mkdirSync(`${host.file2}.new`);
  const control = host.control();
  const changed = control.disable({ reason: "disk full", for_s: 60 });
  deepStrictEqual([changed.active, control.view().reason], [true, "disk full"]);
  match(changed.warnings.join(), /not recorded in .*emergency\.json/);
});

Deno.test("a damaged record is set aside and said, and a new one begins", () => {
  using host = new Host();
  for (const text of ["{", "[]", '{"version":1,"entries":[{"at":"now"}]}']) {
    Deno.writeTextFileSync(host.file2, text, { mode: 0o600 });
    const changed = host.emergency().disable({ reason: "x", for_s: 60 });
    match(changed.warnings.join("\n"), /is damaged\n.*set aside as/, text);
    deepStrictEqual(host.actions, [["disable", "x", "agent"]], text);
  }
});

Deno.test("reasonProblem() refuses an empty reason, a long one, and control characters", () => {
  strictEqual(reasonProblem("restore of web-3, INC-4711 – größer"), undefined);
  for (const reason of ["", "  ", "a\nb", "a\x1b[2Jb", "a\u2028b", "x".repeat(501)]) {
    ok(reasonProblem(reason) !== undefined, JSON.stringify(reason));
  }
});

Deno.test("health() says off, why and for how long during an emergency stop, and what holds after it", () => {
  using host = new Host();
  const { up, pins, store, places } = host;
  const agent = new Agent({
    up,
    pins,
    store,
    locations: places,
    version: "1",
    outlets: new EventOutlets([]),
    log: () => {},
  });
  agent.apply({ bytes: policyBytes({ paths: [host.file("one")] }), source: "", file: "p.yaml" });
  agent.emergency.disable({ reason: "INC-1", for_s: 60 });
  const during = agent.health();
  deepStrictEqual([during.ok, during.posture, during.emergency?.reason], [false, "off", "INC-1"]);
  match(during.reasons.join("\n"), /emergency stop is on for \d+ s more, until .*: INC-1/);
  resumeDecisions(host.state.control);
  const after = agent.health();
  deepStrictEqual([after.posture, after.emergency], ["audit", undefined]);
  agent.stop();
});
