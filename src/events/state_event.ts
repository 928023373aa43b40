/**
 * What the agent says of itself in the stream of events: that something begins or ends which lowers what the host gets.
 * Lines with the action `state` are of this form, all others are of {@linkcode DecisionEvent}.
 *
 * @module
 */
import { type DecisionEvent, type EventPolicy, rfc3339 } from "./event.ts";

/** How much is at stake: `critical`: not all that rules deny is refused. */
export const SEVERITIES = ["notice", "warning", "critical"] as const;

/** One of them. */
export type Severity = typeof SEVERITIES[number];

/** An event about the agent. */
export interface StateEvent {
  readonly v: 1;
  readonly id: string;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  readonly action: "state";
  /** A reason code; see docs/degraded-modes.md. */
  readonly code: string;
  readonly state: "begin" | "end";
  readonly severity: Severity;
  /** One line for a person. */
  readonly detail: string;
  /** What the host gets now: `enforce`, `audit`, `degraded` or `off`. */
  readonly posture: string;
  readonly policy: EventPolicy;
  readonly backend: string;
}

/** A line of the stream. */
export type AgentEvent = DecisionEvent | StateEvent;

/** Whether an event is about the agent. */
export function isStateEvent(event: AgentEvent): event is StateEvent {
  return event.action === "state";
}

/** Makes an event of what is known, now. */
export function stateEventOf(about: Omit<StateEvent, "v" | "id" | "time" | "action">): StateEvent {
  const now = BigInt(Date.now()) * 1_000_000n;
  return {
    v: 1,
    id: `s${now.toString(36)}-${(sequence++).toString(36)}`,
    time: rfc3339(now),
    action: "state",
    ...about,
  };
}

let sequence = 0;

/** The event in one line for a person; names stand in it as they are. */
export function stateMessage({ code, state, severity, detail, posture }: StateEvent): string {
  return state === "begin"
    ? `${severity} [${code}]: ${detail} (posture ${posture})`
    : `over [${code}]: ${detail} (posture ${posture})`;
}

/** The event of a line; undefined where it is none of this kind. */
export function parseStateEvent(line: string): StateEvent | undefined {
  try {
    const value = JSON.parse(line);
    return value?.v === 1 && value.action === "state" && TEXTS.every((key) => typeof value[key] === "string")
      ? value
      : undefined;
  } catch {
    return undefined;
  }
}

const TEXTS = ["id", "time", "code", "state", "severity", "detail", "posture", "backend"];
