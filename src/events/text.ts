/**
 * Events in one line for a person.
 *
 * @module
 */
import type { DecisionEvent } from "./event.ts";
import { type StateEvent, stateMessage } from "./state_event.ts";

/** What happened, without when; names stand in it as they are. */
export function messageOf({ action, op, rule, file, process, count }: DecisionEvent): string {
  const times = count === 1 ? "" : ` (${count} times)`;
  if (action === "rebound") return `${file.path} stands for another file now: rule ${rule} covers it`;
  const verb = action === "deny" ? "denied" : "audited";
  const exe = process.exe === "" || process.exe.endsWith(`/${process.comm}`) ? "" : ` (${process.exe})`;
  return `${verb} ${op} of ${file.path} by ${process.comm}[${process.pid}]${exe} uid ${process.uid} in ` +
    `${process.cgroup.path}: rule ${rule}${times}`;
}

/** When, what and the event's id; no name can break the line or drive a terminal. */
export function textLine(event: DecisionEvent): string {
  // Microseconds: what a person compares with other logs.
  const time = event.time.replace(/(\.\d{6})\d*Z$/, "$1Z");
  return printable(`${time} ${messageOf(event)} [${event.id}]`);
}

/** The same for what the agent says of itself. */
export function stateLine(event: StateEvent): string {
  const time = event.time.replace(/(\.\d{6})\d*Z$/, "$1Z");
  return printable(`${time} ${stateMessage(event)} [${event.id}]`);
}

/** Text whose control characters cannot drive a terminal or break a line. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
