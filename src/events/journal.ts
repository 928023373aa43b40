/**
 * Events as entries of systemd's journal, in its native protocol.
 *
 * @module
 */
import type { DecisionEvent } from "./event.ts";
import {
  type AgentEvent,
  isStateEvent,
  type Severity,
  type StateEvent,
  stateMessage,
} from "./state_event.ts";
import { messageOf } from "./text.ts";

/**
 * A datagram for `/run/systemd/journal/socket`: a field a line, `NAME=value`; a value with a newline as `NAME`, a
 * newline, its length in 64 bits, its bytes. See systemd's JOURNAL_NATIVE_PROTOCOL.md. A record's text has less than
 * 1.5 KiB, so that an entry always fits into a datagram and never needs the protocol's memory files.
 *
 * @param line The event in JSON.
 */
export function journalEntry(event: AgentEvent, line: string): Uint8Array<ArrayBuffer> {
  const fields = isStateEvent(event) ? stateFields(event, line) : decisionFields(event, line);
  // What needs no length is by far the most: one encoding for it.
  let plain = "";
  const framed: Uint8Array[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const text = String(value);
    if (text.includes("\n")) framed.push(framedField(name, text));
    else plain += `${name}=${text}\n`;
  }
  return joined([encoder.encode(plain), ...framed]);
}

type Fields = Readonly<Record<string, string | number>>;

/** As syslog counts. */
const PRIORITIES: Readonly<Record<Severity, number>> = { notice: 5, warning: 4, critical: 2 };

function stateFields(event: StateEvent, line: string): Fields {
  return {
    MESSAGE: stateMessage(event),
    PRIORITY: event.state === "begin" ? PRIORITIES[event.severity] : 5,
    SYSLOG_IDENTIFIER: "aegisbpf",
    AEGISBPF_ID: event.id,
    AEGISBPF_ACTION: event.action,
    AEGISBPF_CODE: event.code,
    AEGISBPF_STATE: event.state,
    AEGISBPF_POSTURE: event.posture,
    AEGISBPF_POLICY: event.policy.name,
    AEGISBPF_SERIAL: event.policy.serial,
    AEGISBPF_EVENT: line,
  };
}

function decisionFields(event: DecisionEvent, line: string): Fields {
  const { file, process, policy } = event;
  return {
    MESSAGE: messageOf(event),
    PRIORITY: event.action === "deny" ? 4 : 5,
    SYSLOG_IDENTIFIER: "aegisbpf",
    AEGISBPF_ID: event.id,
    AEGISBPF_ACTION: event.action,
    AEGISBPF_OP: event.op,
    AEGISBPF_RULE: event.rule,
    AEGISBPF_POLICY: policy.name,
    AEGISBPF_SERIAL: policy.serial,
    AEGISBPF_PATH: file.path,
    AEGISBPF_INODE: `${file.dev}:${file.ino}:${file.gen}`,
    AEGISBPF_PID: process.pid,
    AEGISBPF_UID: process.uid,
    AEGISBPF_COMM: process.comm,
    AEGISBPF_EXE: process.exe,
    AEGISBPF_CGROUP: process.cgroup.path,
    AEGISBPF_COUNT: event.count,
    AEGISBPF_EVENT: line,
  };
}

const encoder = new TextEncoder();

function framedField(name: string, value: string): Uint8Array {
  const bytes = encoder.encode(value);
  const head = encoder.encode(`${name}\n`);
  const whole = new Uint8Array(head.length + 8 + bytes.length + 1);
  whole.set(head);
  new DataView(whole.buffer).setBigUint64(head.length, BigInt(bytes.length), true);
  whole.set(bytes, head.length + 8);
  whole[whole.length - 1] = 0x0a;
  return whole;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
