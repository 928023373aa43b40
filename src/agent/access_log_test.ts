import { deepEqual, equal, match, ok } from "node:assert/strict";
import { linesOf, MAX_LINE_BYTES, readLogLine } from "./access_log.ts";

const CALLER = { op: "read", uid: 33, cgroup: "/", exe: "/usr/bin/x" } as const;
const EVENT = {
  v: 1,
  id: "a",
  time: "2026-01-01T00:00:00.000000000Z",
  action: "deny",
  op: "write",
  rule: "r",
  policy: { name: "p", serial: 1, sha256: "" },
  file: { path: "/srv/key", path_source: "kernel", dev: "8:1", ino: "18446744073709551615", gen: 7 },
  process: {
    pid: 1,
    ppid: 0,
    uid: 1000,
    gid: 0,
    comm: "x",
    exe: "/usr/bin/y",
    start_ns: 1,
    cgroup: { id: 5, path: "/a" },
  },
  backend: "lsm",
  count: 3,
  ret: -1,
};

function read(line: unknown) {
  const text = typeof line === "string" ? line : JSON.stringify(line);
  return readLogLine(new TextEncoder().encode(text), CALLER);
}

function reasonOf(line: unknown): string {
  const result = read(line);
  ok(result.kind === "bad", JSON.stringify(line));
  return result.reason;
}

Deno.test("readLogLine() takes a path as opened by the caller that was given", () => {
  deepEqual(read("/etc/a b"), { kind: "access", access: { ...CALLER, path: "/etc/a b", count: 1 } });
});

Deno.test("readLogLine() takes an event, whatever later versions add to it", () => {
  deepEqual(read({ ...EVENT, more: 1, file: { ...EVENT.file, more: 1 } }), {
    kind: "access",
    access: {
      op: "write",
      path: "/srv/key",
      file: { dev: 0x800001, ino: 2n ** 64n - 1n, gen: 7 },
      uid: 1000,
      exe: "/usr/bin/y",
      cgroup: "/a",
      count: 3,
    },
  });
});

Deno.test("readLogLine() takes from an event only what is the file's and the caller's own", () => {
  const bare = read({
    ...EVENT,
    file: { ...EVENT.file, path_source: "rule", ino: 5 },
    process: { ...EVENT.process, exe: "", cgroup: { id: 5, path: "" } },
  });
  ok(bare.kind === "access");
  deepEqual(bare.access, {
    op: "write",
    file: { dev: 0x800001, ino: 5n, gen: 7 },
    uid: 1000,
    cgroup: "id:5",
    count: 3,
  });
  const asked = read({ ...EVENT, file: { ...EVENT.file, path_source: "argument", ino: 0 } });
  ok(asked.kind === "access");
  equal(asked.access.file, undefined);
});

Deno.test("readLogLine() passes over empty lines and events that are no access", () => {
  for (const line of ["", "  ", { ...EVENT, action: "rebound", op: "bind" }]) equal(read(line).kind, "other");
});

const BAD: readonly (readonly [line: unknown, reason: RegExp])[] = [
  ["etc/shadow", /neither an event nor an absolute path/],
  ["/a\0/b", /give find's -print/],
  ["{", /not JSON/],
  ["{}", /not an event of version 1: v:/],
  [{ ...EVENT, v: 2 }, /version 1: v:/],
  [{ ...EVENT, op: "fly" }, /op: unknown operation "fly"/],
  [{ ...EVENT, count: 0 }, /count:/],
  [{ ...EVENT, file: { ...EVENT.file, ino: -1 } }, /file\.ino:/],
  [{ ...EVENT, file: { ...EVENT.file, dev: "8" } }, /file\.dev:/],
  [{ ...EVENT, process: { ...EVENT.process, uid: "0" } }, /process\.uid:/],
  ["[1]", /neither/],
];

for (const [line, reason] of BAD) {
  Deno.test(`readLogLine() says of ${JSON.stringify(line).slice(0, 40)} ${reason.source}`, () => {
    match(reasonOf(line), reason);
  });
}

Deno.test("readLogLine() says what is not UTF-8", () => {
  deepEqual(readLogLine(Uint8Array.of(0x2f, 0xff), CALLER), { kind: "bad", reason: "not UTF-8" });
});

async function collect(...chunks: Uint8Array[]) {
  const lines = [];
  for await (const { number, bytes } of linesOf(ReadableStream.from(chunks))) {
    lines.push([number, bytes && new TextDecoder().decode(bytes)]);
  }
  return lines;
}

Deno.test("linesOf() splits at line breaks wherever chunks end", async () => {
  const bytes = new TextEncoder().encode("one\n\ntwo\nthree");
  const expected = [[1, "one"], [2, ""], [3, "two"], [4, "three"]];
  for (let at = 0; at <= bytes.length; at++) {
    deepEqual(await collect(bytes.subarray(0, at), bytes.subarray(at)), expected);
  }
  deepEqual(await collect(), []);
});

Deno.test("linesOf() gives no bytes of a line that is too long, and goes on after it", async () => {
  const part = new Uint8Array(64 * 1024).fill(0x61);
  const parts = Array.from({ length: MAX_LINE_BYTES / part.length + 1 }, () => part);
  deepEqual(await collect(...parts, new TextEncoder().encode("\nb\n")), [[1, undefined], [2, "b"]]);
});
