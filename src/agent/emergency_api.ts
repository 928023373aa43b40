/**
 * What the control socket speaks about the emergency stop.
 *
 *     GET  /v1/emergency                           → EmergencyView
 *     POST /v1/emergency/disable EmergencyDisable  → EmergencyChanged
 *     POST /v1/emergency/enable {login_uid?: N}    → EmergencyChanged
 *
 * @module
 */
import type { EmergencyEntry } from "./emergency_record.ts";

/** The longest emergency stop, in seconds: a day. */
export const MAX_EMERGENCY_S = 86_400;
/** How long one lasts where that is not said, in seconds. */
export const DEFAULT_EMERGENCY_S = 900;
/** The longest reason, in characters. */
export const MAX_REASON = 500;

/** `emergency status --json`. */
export interface EmergencyView {
  /** Whether nothing is refused now. */
  readonly active: boolean;
  /** Why; null where there is none, or where it was not recorded. */
  readonly reason: string | null;
  /** RFC 3339; null where there is none. */
  readonly since: string | null;
  readonly until: string | null;
  readonly remaining_s: number;
  /** What happened before, oldest first. */
  readonly history: readonly EmergencyEntry[];
}

/** What `emergency disable` sends. */
export interface EmergencyDisable {
  readonly reason: string;
  /** Seconds, at most a day. */
  readonly for_s: number;
  /** Who logged in to do this; see loginuid in proc(5). */
  readonly login_uid?: number;
}

/** What `emergency disable` and `enable` answer. */
export interface EmergencyChanged extends EmergencyView {
  /** Whether there was an emergency stop before. */
  readonly was_active: boolean;
  readonly warnings: readonly string[];
}

/** What is wrong with a reason, as the end of a sentence; undefined for a good one. */
export function reasonProblem(reason: string): string | undefined {
  if (reason.trim() === "") return "it is empty";
  if (reason.length > MAX_REASON) return `it is longer than ${MAX_REASON} characters`;
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(reason) ? "it has control characters" : undefined;
}
