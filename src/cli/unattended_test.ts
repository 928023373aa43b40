import { equal, match } from "node:assert/strict";
import type { Posture } from "../agent/api.ts";
import type { Pinned } from "./pinned.ts";
import { type CanarySeen, type Unattended, unattendedReport } from "./unattended.ts";

const POLICY = { name: "web", serial: 1, sha256: "00", rules: 1, enforce: true };
const COMPLETE: Extract<Pinned, { kind: "complete" }> = {
  kind: "complete",
  backend: "fmod_ret",
  policy: POLICY,
  stopped_s: 0,
};
const PARTIAL: Unattended["pinned"] = { kind: "partial", reason: "half-made pins in /x (no meta)" };
const UNKNOWN: CanarySeen = { reason: "openat /run/aegisbpf/canary: no such file" };

const CASES: readonly (readonly [string, Unattended["pinned"], CanarySeen, Posture, RegExp])[] = [
  ["nothing is pinned", { kind: "none" }, "opened", "off", /nothing is pinned/],
  ["the canary is refused", COMPLETE, "refused", "enforce", /./],
  ["the canary is opened all the same", COMPLETE, "opened", "off", /fmod_ret does not run/],
  ["the canary is gone", COMPLETE, UNKNOWN, "enforce", /not proven, the canary cannot be tried: openat/],
  ["the policy audits", { ...COMPLETE, policy: { ...POLICY, enforce: false } }, "refused", "audit", /./],
  ["the backend only reports", { ...COMPLETE, backend: "fentry" }, "opened", "degraded", /cannot refuse/],
  ["no policy is in force", { ...COMPLETE, policy: null }, "refused", "off", /no policy is in force/],
  ["an emergency stop is on", { ...COMPLETE, stopped_s: 60 }, "opened", "off", /emergency stop/],
  ["half the pins refuse", PARTIAL, "refused", "enforce", /half-made pins .*; starting the agent mends them/],
  ["half the pins do nothing", PARTIAL, "opened", "off", /half-made pins/],
];

for (const [situation, pinned, canary, posture, reason] of CASES) {
  Deno.test(`unattendedReport() reports ${posture} and is never ok when ${situation}`, () => {
    const kernel = { release: "6.1.0", lsm: [] };
    const report = unattendedReport({ why: "no agent is running", pinned, canary, kernel });
    equal(report.posture, posture);
    equal(report.ok, false);
    equal(report.reasons[0], "no agent is running [unattended]");
    match(report.reasons.join("\n"), reason);
  });
}

Deno.test("unattendedReport() does not call an open canary a failure when the backend only reports", () => {
  const { checks } = unattendedReport({
    why: "no agent is running",
    pinned: { ...COMPLETE, backend: "tracepoint" },
    canary: "opened",
    kernel: { release: "6.1.0", lsm: [] },
  });
  equal(checks.map(({ name, ok }) => `${name} ${ok}`).join(), "agent false,pins true");
});
