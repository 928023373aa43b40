import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type EventContext, eventOf, jsonNumber, rfc3339 } from "./event.ts";
import { RECORDED } from "./test_support.ts";

const CONTEXT: EventContext = {
  id: "x-1",
  rule: "tls-keys",
  op: "write",
  policy: { name: "web-tier", serial: 7, sha256: "ab".repeat(32) },
  count: 3n,
  bootOffsetNs: 0n,
};

Deno.test("rfc3339() keeps every nanosecond", () => {
  strictEqual(rfc3339(0n), "1970-01-01T00:00:00.000000000Z");
  strictEqual(rfc3339(1_700_000_000_000_000_001n), "2023-11-14T22:13:20.000000001Z");
  strictEqual(rfc3339(1_700_000_000_999_999_999n), "2023-11-14T22:13:20.999999999Z");
});

Deno.test("jsonNumber() is text from 2^53 on", () => {
  strictEqual(jsonNumber(0n), 0);
  strictEqual(jsonNumber(2n ** 53n - 1n), 9007199254740991);
  strictEqual(jsonNumber(2n ** 53n), "9007199254740992");
  strictEqual(jsonNumber(2n ** 64n - 1n), "18446744073709551615");
});

Deno.test("eventOf() has the fields of the contract and survives JSON", () => {
  const event = eventOf({ ...RECORDED, timeNs: 5n }, {
    ...CONTEXT,
    bootOffsetNs: 1_700_000_000_000_000_000n,
  });
  deepStrictEqual(JSON.parse(JSON.stringify(event)), {
    v: 1,
    id: "x-1",
    time: "2023-11-14T22:13:20.000000005Z",
    action: "deny",
    op: "write",
    rule: "tls-keys",
    policy: CONTEXT.policy,
    file: {
      path: "/srv/tls/key",
      path_source: "kernel",
      dev: "4095:1",
      ino: "18446744073709551614",
      gen: 4294967280,
    },
    process: {
      pid: 4711,
      ppid: 4710,
      uid: 4294967282,
      gid: 33,
      comm: "exactly-sixteen!",
      exe: "/usr/bin/cat",
      start_ns: "2305843009213693952",
      cgroup: { id: "9007199254740993", path: "/system.slice/web.service" },
    },
    backend: "lsm",
    count: 3,
    ret: -1,
  });
});

Deno.test("eventOf() says where its path comes from", () => {
  const of = (changes: Partial<typeof RECORDED>, rulePath?: string) => {
    const { file } = eventOf({ ...RECORDED, ...changes }, {
      ...CONTEXT,
      ...(rulePath === undefined ? {} : { rulePath }),
    });
    return `${file.path_source} ${file.path}`;
  };
  strictEqual(of({}, "/rule"), "kernel /srv/tls/key");
  strictEqual(of({ pathIsArgument: true }), "argument /srv/tls/key");
  strictEqual(of({ path: "" }, "/rule"), "rule /rule");
  strictEqual(of({ pathIsPartial: true }, "/rule"), "rule /rule");
  strictEqual(of({ pathIsPartial: true }), "kernel /srv/tls/key");
  strictEqual(of({ path: "" }), "kernel ");
});

Deno.test("eventOf() calls a change of what stands at a place rebound, and a backend it does not know unknown", () => {
  strictEqual(eventOf({ ...RECORDED, type: "bound" }, CONTEXT).action, "rebound");
  strictEqual(eventOf({ ...RECORDED, backend: 99 }, CONTEXT).backend, "unknown");
});
