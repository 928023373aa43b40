/**
 * What the tests of events share: a record as the kernel side writes it, made by hand.
 *
 * @module
 */
import { libc } from "../../ffi/libc.ts";
import { ACTION, AEGIS, BACKEND, OP, RECORD, RECORD_TYPE } from "../kernel/layout.ts";
import { viewOf, writeIdentity } from "../kernel/packed.ts";
import type { KernelRecord } from "./decode.ts";
import type { DecisionEvent } from "./event.ts";

// It stays open until the process ends; opened within a test it would count as a leak of that test.
libc();

/** What a made record should decode to. */
export const RECORDED: KernelRecord = {
  type: "decision",
  op: OP.WRITE,
  action: "deny",
  backend: BACKEND.LSM,
  timeNs: 2n ** 62n + 1n,
  total: 2n ** 63n + 5n,
  epoch: 0,
  generation: 17n,
  file: { ino: 2n ** 64n - 2n, dev: 0xfff0_0001, gen: 0xffff_fff0 },
  path: "/srv/tls/key",
  pathIsArgument: false,
  pathIsPartial: false,
  exe: { ino: 12n, dev: 8 << 20 | 1, gen: 3 },
  exePath: "/usr/bin/cat",
  cgroup: 2n ** 53n + 1n,
  cgroupPath: "/system.slice/web.service",
  rule: 0xffff_fff1,
  pid: 4711,
  ppid: 4710,
  uid: 0xffff_fff2,
  gid: 33,
  comm: "exactly-sixteen!",
  startNs: 2n ** 61n,
  ret: -1,
};

/** The bytes of {@linkcode RECORDED}, no longer than its text. */
export function recordBytes(): Uint8Array<ArrayBuffer> {
  const texts = [RECORDED.path, RECORDED.exePath, RECORDED.cgroupPath].map(namesFromTheLast);
  const [path = "", exe = "", cgroup = ""] = texts;
  const text = new TextEncoder().encode(texts.join(""));
  const bytes = new Uint8Array(RECORD.text + text.length);
  const view = viewOf(bytes);
  view.setUint16(RECORD.version, AEGIS.SCHEMA, true);
  view.setUint8(RECORD.type, RECORD_TYPE.DECISION);
  view.setUint8(RECORD.op, RECORDED.op);
  view.setUint8(RECORD.action, ACTION.DENY);
  view.setUint8(RECORD.backend, RECORDED.backend);
  for (
    const [offset, value] of [
      [RECORD.time_ns, RECORDED.timeNs],
      [RECORD.total, RECORDED.total],
      [RECORD.generation, RECORDED.generation],
      [RECORD.cgroup, RECORDED.cgroup],
      [RECORD.start_ns, RECORDED.startNs],
    ] as const
  ) view.setBigUint64(offset, value, true);
  writeIdentity(view, RECORD.file, RECORDED.file);
  writeIdentity(view, RECORD.exe, RECORDED.exe);
  for (
    const [offset, value] of [
      [RECORD.rule, RECORDED.rule],
      [RECORD.pid, RECORDED.pid],
      [RECORD.ppid, RECORDED.ppid],
      [RECORD.uid, RECORDED.uid],
      [RECORD.gid, RECORDED.gid],
      [RECORD.ret, RECORDED.ret],
    ] as const
  ) view.setInt32(offset, value | 0, true);
  view.setUint16(RECORD.path_len, path.length, true);
  view.setUint16(RECORD.exe_len, exe.length, true);
  view.setUint16(RECORD.cgroup_len, cgroup.length, true);
  bytes.set(new TextEncoder().encode(RECORDED.comm), RECORD.comm);
  bytes.set(text, RECORD.text);
  return bytes;
}

/** An event, with changes. */
export function decisionEvent(changes: Partial<DecisionEvent> = {}): DecisionEvent {
  return {
    v: 1,
    id: "a-0",
    time: "2026-01-02T03:04:05.000000006Z",
    action: "deny",
    op: "read",
    rule: "tls-keys",
    policy: { name: "web-tier", serial: 7, sha256: "ab".repeat(32) },
    file: { path: "/srv/tls/key", path_source: "kernel", dev: "8:1", ino: 131074, gen: 1 },
    process: {
      pid: 4711,
      ppid: 1,
      uid: 33,
      gid: 33,
      comm: "cat",
      exe: "/usr/bin/cat",
      start_ns: 5,
      cgroup: { id: 9, path: "/web" },
    },
    backend: "lsm",
    count: 1,
    ret: -1,
    ...changes,
  };
}

function namesFromTheLast(path: string): string {
  return path.split("/").filter((name) => name !== "").reverse().map((name) => `${name}\0`).join("");
}
