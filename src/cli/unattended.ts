/**
 * The health of a host whose agent does not answer: what is pinned goes on deciding, and a look at the canary shows
 * whether it does.
 *
 * @module
 */
import type { HealthCheck, Posture } from "../agent/api.ts";
import { type Degradation, type DegradationCode, reasonText } from "../agent/degradation.ts";
import { canEnforce } from "../kernel/backend.ts";
import type { HealthView } from "./health_view.ts";
import type { Pinned } from "./pinned.ts";

/** What opening the canary showed. */
export type CanarySeen = "refused" | "opened" | { readonly reason: string };

/** What is known without the agent. */
export interface Unattended {
  /** Why the agent was not asked: one line. */
  readonly why: string;
  readonly pinned: Exclude<Pinned, { kind: "unknown" }>;
  readonly canary: CanarySeen;
  readonly kernel: HealthView["kernel"];
  /** Why an emergency stop is on, where that is recorded. */
  readonly stopReason?: string | undefined;
}

/** The report; its `ok` is always false. */
export function unattendedReport({ why, pinned, canary, kernel, stopReason }: Unattended): HealthView {
  const [posture, explanation] = postureOf(pinned, canary, stopReason);
  const checks: HealthCheck[] = [{ name: "agent", ok: false, detail: why }, pinsCheck(pinned)];
  // A backend that only reports lets the canary be opened, and without an agent nobody can say whether it saw that.
  if (pinned.kind === "partial" || (pinned.kind === "complete" && canEnforce(pinned.backend))) {
    checks.push({ name: "canary", ok: canary === "refused", detail: canaryDetail(canary) });
  }
  const degradations: readonly Degradation[] = [{ code: "unattended", detail: why }, ...explanation];
  return {
    ok: false,
    posture,
    backend: pinned.kind === "complete" ? pinned.backend : null,
    reasons: degradations.map(reasonText),
    degradations,
    checks,
    policy: pinned.kind === "complete" && pinned.policy ? policyView(pinned.policy) : null,
    agent: null,
    kernel,
  };
}

const NOTHING_PINNED = "nothing is pinned in the kernel";

/** The posture, and what else there is to say about it. */
function postureOf(
  pinned: Unattended["pinned"],
  canary: CanarySeen,
  stopReason = "the reason was not recorded",
): readonly [Posture, readonly Degradation[]] {
  if (pinned.kind === "none") return because("off", "not_attached", NOTHING_PINNED);
  if (pinned.kind === "partial") {
    const posture = canary === "refused" ? "enforce" : "off";
    return because(posture, "not_attached", `${pinned.reason}; starting the agent mends them`);
  }
  const { backend, policy, stopped_s } = pinned;
  if (stopped_s > 0) {
    return because(
      "off",
      "emergency_stop",
      `an emergency stop is on for ${stopped_s} s more: ${stopReason}`,
    );
  }
  if (policy === null) return because("off", "no_policy", "no policy is in force");
  if (!canEnforce(backend)) {
    const detail = `${backend} reports and cannot refuse; without an agent only the counts go on`;
    return policy.enforce
      ? because("degraded", "cannot_enforce", detail)
      : because("audit", "audit_only", detail);
  }
  if (canary === "opened") {
    const detail = `a file that every policy denies was opened: ${backend} does not run`;
    return because("off", "canary_failed", detail);
  }
  const posture = policy.enforce ? "enforce" : "audit";
  if (canary === "refused") return [posture, []];
  return because(posture, "canary_failed", `not proven, the canary cannot be tried: ${canary.reason}`);
}

function because(
  posture: Posture,
  code: DegradationCode,
  detail: string,
): readonly [Posture, readonly Degradation[]] {
  return [posture, [{ code, detail }]];
}

function pinsCheck(pinned: Unattended["pinned"]): HealthCheck {
  switch (pinned.kind) {
    case "none":
      return { name: "pins", ok: false, detail: NOTHING_PINNED };
    case "partial":
      return { name: "pins", ok: false, detail: pinned.reason };
    case "complete":
      return { name: "pins", ok: true, detail: `complete, backend ${pinned.backend}` };
  }
}

/** A look at the canary in words. */
export function canaryDetail(canary: CanarySeen): string {
  if (canary === "refused") return "refused with EPERM, as it must be";
  return canary === "opened" ? "was opened, although every policy denies it" : canary.reason;
}

function policyView({ name, serial, sha256, rules }: {
  readonly name: string;
  readonly serial: number;
  readonly sha256: string;
  readonly rules: number;
}): HealthView["policy"] {
  return { name, serial, sha256, signer: null, rules, waiting: null };
}
