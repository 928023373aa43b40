import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { stateEventSchema } from "../events/schema.ts";
import { parseStateEvent, type StateEvent } from "../events/state_event.ts";
import type { Preemption } from "../kernel/preemption.ts";
import type { HealthReport } from "./api.ts";
import { codeOfCheck, type Degradation, DEGRADATIONS } from "./degradation.ts";
import { type CauseContext, degradationsOf, preemptionText } from "./degradation_causes.ts";
import { DegradationLog } from "./degradation_log.ts";
import { Agent } from "./agent.ts";
import { EventOutlets } from "./event_outlets.ts";
import { keepIn, policyBytes, TestInstallation } from "./test_support.ts";

const CALM: Preemption = { model: "none", source: "/proc/version", remedies: [] };
const QUIET = {
  active: false,
  reason: null,
  since: null,
  until: null,
  remaining_s: 0,
  history: [],
};

function causes(change: Partial<CauseContext>, current?: unknown, wantsEnforce = true): Degradation[] {
  const engine = { current, wantsEnforce, learnFailures: 0, droppedCovered: 0 };
  return degradationsOf({
    state: { backend: "lsm" },
    engine: engine as unknown as CauseContext["engine"],
    rejected: [],
    emergency: QUIET,
    preemption: CALM,
    handNotes: [],
    ...change,
  }, "enforce");
}

Deno.test("every reason code has its row, with its severity, in docs/degraded-modes.md", () => {
  const text = Deno.readTextFileSync(new URL("../../docs/degraded-modes.md", import.meta.url));
  const rows = [...text.matchAll(/^\| `(\w+)` +\| (\w+) +\|/gm)].map((
    [, code, severity],
  ) => [code, severity]);
  deepStrictEqual(Object.fromEntries(rows), { ...DEGRADATIONS });
});

Deno.test("degradationsOf() says nothing of a host that does what it is asked", () => {
  deepStrictEqual(causes({}, { missingHooks: [], resolution: { targets: [] } }), []);
});

Deno.test("degradationsOf() warns of preemption only where programs can be left out", () => {
  const full: Preemption = { model: "full", source: "debugfs", remedies: ["voluntary", "none"] };
  const codes = (change: Partial<CauseContext>, enforce = true) =>
    causes(change, undefined, enforce).map(({ code }) => code);
  deepStrictEqual(codes({ preemption: full, state: { backend: "fmod_ret" } }), ["preemption_possible"]);
  deepStrictEqual(codes({ preemption: full, state: { backend: "fentry" } }), []);
  deepStrictEqual(codes({ preemption: full, state: { backend: "fmod_ret" } }, false), []);
  deepStrictEqual(
    codes({ preemption: { ...full, model: "voluntary" }, state: { backend: "fmod_ret" } }),
    [],
  );
});

Deno.test("preemptionText() names what mends it on this kernel", () => {
  const full: Preemption = { model: "full", source: "debugfs", remedies: ["voluntary", "none"] };
  const old = preemptionText("fmod_ret", "6.1.0", full);
  match(old, /preempts \(full, by debugfs\).*preempt=voluntary or preempt=none$/);
  ok(!old.includes("LSMs"), old);
  match(
    preemptionText("fmod_ret", "6.12.1", full),
    /put bpf into its list of LSMs .*, or boot it with preempt=/,
  );
  match(preemptionText("fmod_ret", "7.3.0", { ...full, model: "lazy", remedies: [] }), /list of LSMs/);
  match(preemptionText("lsm", "5.10.0", { ...full, remedies: [] }), /run a kernel from 6\.2 with bpf/);
  match(preemptionText("fmod_ret", "6.1.0", { ...full, model: "dynamic" }), /may preempt/);
});

Deno.test("degradationsOf() names what a set does not see, cannot reach or had no room for", () => {
  const rule = { id: "r" };
  const current = {
    missingHooks: ["inode_unlink"],
    resolution: {
      targets: [
        { rule, target: { path: "/fuse/a", subtree: false, line: 1 }, unreachable: "EACCES" },
        { rule, target: { path: "/fuse/b", subtree: true, line: 1 }, unreachable: "ENOTCONN" },
      ],
    },
  };
  const found = causes({ handNotes: ["hand.json is damaged"] }, current);
  deepStrictEqual(found.map(({ code }) => code), ["hooks_missing", "path_unreachable", "hand_rules"]);
  match(found[1]?.detail ?? "", /\/fuse\/a of rule r: EACCES, and 1 more/);
});

Deno.test("codeOfCheck() has a code for each check, and one for those to come", () => {
  strictEqual(codeOfCheck("skipped"), "preemption_skips");
  strictEqual(codeOfCheck("another"), "check_failed");
});

Deno.test("DegradationLog says once that something begins and once that it is over", () => {
  let now: Degradation[] = [];
  const events: StateEvent[] = [];
  const logged: string[] = [];
  const log = new DegradationLog({
    health: () => ({ posture: "off", backend: "lsm", degradations: now } as unknown as HealthReport),
    policy: () => ({ name: "p", serial: 1, sha256: "00".repeat(32) }),
    hint: () => String(now.length),
    emit: (event) => events.push(event),
    log: (line) => logged.push(line),
  });
  log.tick();
  now = [
    { code: "backend_fallback", detail: "no bpf" },
    { code: "emergency_stop", detail: "60 s" },
    { code: "backend_fallback", detail: "no fmod" },
  ];
  log.tick();
  now = [{ code: "backend_fallback", detail: "no bpf" }, { code: "emergency_stop", detail: "59 s" }];
  log.tick();
  log.tick();
  strictEqual(log.present.length, 2);
  now = [];
  log.tick();
  deepStrictEqual(events.map(({ code, state, severity }) => [code, state, severity]), [
    ["backend_fallback", "begin", "notice"],
    ["emergency_stop", "begin", "critical"],
    ["backend_fallback", "end", "notice"],
    ["emergency_stop", "end", "critical"],
  ]);
  strictEqual(events[0]?.detail, "no bpf; no fmod");
  strictEqual(logged[1], "critical [emergency_stop]: 60 s (posture off)");
  for (const event of events) {
    const line = JSON.stringify(event);
    deepStrictEqual(stateEventSchema.parse(JSON.parse(line)), parseStateEvent(line));
  }
});

Deno.test("an agent reports an emergency stop and its end as state events, with the posture", () => {
  using host = new TestInstallation();
  const states: StateEvent[] = [];
  const logged: string[] = [];
  const { up, pins, store, places } = host;
  const agent = new Agent({
    up,
    pins,
    store,
    locations: places,
    version: "1",
    outlets: new EventOutlets([keepIn([], states)]),
    log: (line) => logged.push(line),
  });
  agent.degradation.tick();
  agent.apply({ bytes: policyBytes({ paths: [host.file("one")] }), source: "", file: "p.yaml" });
  agent.degradation.tick();
  agent.emergency.disable({ reason: "INC-1", for_s: 60 });
  agent.degradation.tick();
  agent.degradation.tick();
  agent.emergency.enable();
  agent.degradation.tick();
  agent.stop();
  deepStrictEqual(
    states.filter(({ code }) => code !== "hooks_missing").map(({ code, state, posture }) => [
      code,
      state,
      posture,
    ]),
    [
      ["no_policy", "begin", "audit"],
      ["no_policy", "end", "audit"],
      ["audit_only", "begin", "audit"],
      ["audit_only", "end", "off"],
      ["emergency_stop", "begin", "off"],
      ["emergency_stop", "end", "audit"],
      ["audit_only", "begin", "audit"],
    ],
  );
  ok(logged.some((line) => /^critical \[emergency_stop\]: .*INC-1 \(posture off\)$/.test(line)));
});
