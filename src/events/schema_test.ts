import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import type { KernelRecord } from "./decode.ts";
import { eventOf } from "./event.ts";
import { eventJsonSchema, eventSchema } from "./schema.ts";

const RECORD: KernelRecord = {
  type: "decision",
  op: 0,
  action: "deny",
  backend: 1,
  timeNs: 5n,
  total: 1n,
  epoch: 0,
  generation: 2n,
  file: { ino: 2n ** 63n, dev: 8 << 20 | 1, gen: 7 },
  path: "/etc/shadow",
  pathIsArgument: false,
  pathIsPartial: false,
  exe: { ino: 1n, dev: 1, gen: 1 },
  exePath: "/usr/bin/cat",
  cgroup: 1n,
  cgroupPath: "/",
  rule: 1,
  pid: 2,
  ppid: 1,
  uid: 0,
  gid: 0,
  comm: "cat",
  startNs: 3n,
  ret: -1,
};
const CONTEXT = {
  id: "a-0",
  rule: "secret",
  op: "read",
  policy: { name: "p", serial: 1, sha256: "00".repeat(32) },
  count: 1n,
  bootOffsetNs: 1_700_000_000_000_000_000n,
};

Deno.test("eventSchema accepts what eventOf() makes, for decisions and for rebound files", () => {
  const decision = eventOf(RECORD, CONTEXT);
  deepStrictEqual(eventSchema.parse(JSON.parse(JSON.stringify(decision))), decision);
  const rebound = eventOf({ ...RECORD, type: "bound", pathIsPartial: true }, {
    ...CONTEXT,
    op: "bind",
    rulePath: "/etc/shadow",
  });
  strictEqual(eventSchema.parse(rebound).action, "rebound");
  strictEqual(rebound.file.path_source, "rule");
});

Deno.test("eventSchema refuses another key and a count of nothing", () => {
  const event = eventOf(RECORD, CONTEXT);
  throws(() => eventSchema.parse({ ...event, extra: 1 }));
  throws(() => eventSchema.parse({ ...event, count: 0 }));
});

Deno.test("eventJsonSchema() is JSON Schema of the draft that editors know", () => {
  strictEqual(eventJsonSchema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
});
