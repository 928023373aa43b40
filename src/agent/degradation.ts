/**
 * Every step down from what a policy asks for, by reason code: the one definition that health, the log, the events and
 * the metrics share. docs/degraded-modes.md has a row for each.
 *
 * @module
 */
import type { Severity } from "../events/state_event.ts";

/** Reason codes and how much is at stake with each. */
export const DEGRADATIONS = {
  emergency_stop: "critical",
  cannot_enforce: "critical",
  canary_failed: "critical",
  link_lost: "critical",
  foreign_set: "critical",
  preemption_skips: "critical",
  unattended: "warning",
  not_attached: "critical",
  hooks_missing: "warning",
  learning_failed: "warning",
  path_unreachable: "warning",
  preemption_possible: "warning",
  hand_rules: "warning",
  heartbeat_late: "warning",
  events_lost: "warning",
  provenance: "warning",
  history_damaged: "warning",
  miscounted: "warning",
  check_failed: "warning",
  policy_pending: "notice",
  policy_reverted: "warning",
  moved_files_dropped: "notice",
  backend_fallback: "notice",
  no_policy: "notice",
  audit_only: "notice",
} as const satisfies Readonly<Record<string, Severity>>;

/** A reason code. */
export type DegradationCode = keyof typeof DEGRADATIONS;

/** Something that lowers what the host gets, at this moment. */
export interface Degradation {
  readonly code: DegradationCode;
  /** One line for a person: what, and what would mend it. */
  readonly detail: string;
}

/** As a reason of health. */
export function reasonText({ code, detail }: Degradation): string {
  return `${detail} [${code}]`;
}

/** The code of a check of health that failed. */
export function codeOfCheck(name: string): DegradationCode {
  return CHECKS[name] ?? "check_failed";
}

const CHECKS: Readonly<Record<string, DegradationCode>> = {
  links: "link_lost",
  canary: "canary_failed",
  canary_by_command: "canary_failed",
  generation: "foreign_set",
  heartbeat: "heartbeat_late",
  accounting: "miscounted",
  skipped: "preemption_skips",
  history: "history_damaged",
  events: "events_lost",
  recorder: "events_lost",
};
