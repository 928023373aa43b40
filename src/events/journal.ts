/**
 * Events as entries of systemd's journal, in its native protocol.
 *
 * @module
 */
import type { DecisionEvent } from "./event.ts";

/**
 * A datagram for `/run/systemd/journal/socket`: a field a line, `NAME=value`; a value with a newline as `NAME`, a
 * newline, its length in 64 bits, its bytes. See systemd's JOURNAL_NATIVE_PROTOCOL.md.
 */
export function journalEntry(event: DecisionEvent): Uint8Array<ArrayBuffer> {
  const { file, process, policy } = event;
  const fields: Record<string, string | number> = {
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
    AEGISBPF_EVENT: JSON.stringify(event),
  };
  const parts = Object.entries(fields).map(([name, value]) => field(name, String(value)));
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** The event in one line for a person. */
export function messageOf({ action, op, rule, file, process, count }: DecisionEvent): string {
  const times = count === 1 ? "" : ` (${count} times)`;
  if (action === "rebound") return `${file.path} stands for another file now: rule ${rule} covers it`;
  const verb = action === "deny" ? "denied" : "audited";
  return `${verb} ${op} of ${file.path} by ${process.comm}[${process.pid}] uid ${process.uid} in ` +
    `${process.cgroup.path}: rule ${rule}${times}`;
}

const encoder = new TextEncoder();

function field(name: string, value: string): Uint8Array {
  if (!value.includes("\n")) return encoder.encode(`${name}=${value}\n`);
  const bytes = encoder.encode(value);
  const head = encoder.encode(`${name}\n`);
  const whole = new Uint8Array(head.length + 8 + bytes.length + 1);
  whole.set(head);
  new DataView(whole.buffer).setBigUint64(head.length, BigInt(bytes.length), true);
  whole.set(bytes, head.length + 8);
  whole[whole.length - 1] = 0x0a;
  return whole;
}
