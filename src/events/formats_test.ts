import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { ecsOf } from "./ecs.ts";
import type { DecisionEvent } from "./event.ts";
import { ocsfOf } from "./ocsf.ts";
import { eventSchema } from "./schema.ts";
import { decisionEvent } from "./test_support.ts";

/** Type of a field that must be there. */
type Required = Readonly<Record<string, "number" | "string" | "object">>;

/**
 * What OCSF 1.6.0 requires of File System Activity: ocsf/ocsf-schema, branch v1.6.0, every attribute with
 * `"requirement": "required"` in events/base_event.json, events/system/{system,file_activity}.json and, of the objects
 * that we use, objects/{metadata,product,device,file,actor,process,user}.json; of `at_least_one` constraints, the one that
 * we meet.
 */
const OCSF_REQUIRED: Required = {
  activity_id: "number",
  category_uid: "number",
  class_uid: "number",
  type_uid: "number",
  severity_id: "number",
  time: "number",
  metadata: "object",
  "metadata.version": "string",
  "metadata.product": "object",
  "metadata.product.name": "string",
  device: "object",
  "device.type_id": "number",
  "device.hostname": "string",
  actor: "object",
  "actor.process": "object",
  "actor.process.pid": "number",
  "actor.process.file.name": "string",
  "actor.process.file.type_id": "number",
  "actor.user.uid": "string",
  file: "object",
  "file.name": "string",
  "file.type_id": "number",
  "policy.name": "string",
};

/** Values of `activity_id` in events/system/file_activity.json of that branch, with 0 and 99 of the base event. */
const OCSF_ACTIVITIES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 99];

/**
 * ECS 8.17 requires `@timestamp` and `ecs.version` of every event, and guides to the categorisation fields; the rest are
 * those of its fields (schemas/{base,event,file,host,process,user,rule}.yml in elastic/ecs, branch 8.17) that events of
 * the category `file` are searched by.
 */
const ECS_REQUIRED: Required = {
  "@timestamp": "string",
  message: "string",
  "ecs.version": "string",
  "event.kind": "string",
  "event.category": "object",
  "event.type": "object",
  "event.outcome": "string",
  "event.action": "string",
  "event.id": "string",
  "event.dataset": "string",
  "event.module": "string",
  "event.severity": "number",
  "host.name": "string",
  "file.path": "string",
  "file.name": "string",
  "file.directory": "string",
  "file.inode": "string",
  "process.pid": "number",
  "process.parent.pid": "number",
  "process.name": "string",
  "process.executable": "string",
  "user.id": "string",
  "rule.id": "string",
};

/** https://www.elastic.co/guide/en/ecs/8.17/ecs-allowed-values-event-category.html: types expected for `file`. */
const ECS_FILE_TYPES = ["access", "change", "creation", "deletion", "info"];

const OPERATIONS = eventSchema.shape.op.options.filter((op) => op !== "bind");
const HOST = { hostname: "web1", version: "1.0.0" };

const EVENTS: readonly DecisionEvent[] = [
  ...OPERATIONS.flatMap((op) => (["deny", "audit"] as const).map((action) => decisionEvent({ op, action }))),
  decisionEvent({ action: "rebound", op: "bind" }),
];

function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((found, key) => (found as Record<string, unknown>)?.[key], value);
}

function lacking(value: unknown, required: Required): string[] {
  return Object.entries(required).filter(([path, type]) => {
    const found = at(value, path);
    return typeof found !== type || found === null || found === "";
  }).map(([path]) => path);
}

Deno.test("ocsfOf() has every field that OCSF 1.6.0 requires, for each operation and action", () => {
  for (const event of EVENTS) {
    const made = ocsfOf(event, HOST);
    deepStrictEqual(lacking(made, OCSF_REQUIRED), [], `${event.op} ${event.action}`);
    ok(OCSF_ACTIVITIES.includes(made["activity_id"] as number));
    strictEqual(made["type_uid"], 1001 * 100 + (made["activity_id"] as number));
    strictEqual(made["class_uid"], 1001);
    // Required for activities that the schema does not name.
    strictEqual(typeof made["activity_name"], "string");
  }
});

Deno.test("ocsfOf() tells time in milliseconds, the decision, and nothing that is not JSON", () => {
  const made = ocsfOf(decisionEvent({ count: 3 }), HOST);
  strictEqual(made["time"], Date.UTC(2026, 0, 2, 3, 4, 5));
  deepStrictEqual([made["action_id"], made["disposition_id"], made["status_id"], made["count"]], [
    2,
    2,
    2,
    3,
  ]);
  deepStrictEqual(JSON.parse(JSON.stringify(made)), made);
  deepStrictEqual(at(made, "file.uid"), "8:1:131074:1");
});

Deno.test("ocsfOf() and ecsOf() leave out an executable that is not known, and name a file without a path", () => {
  const event = decisionEvent();
  const bare = { ...event, file: { ...event.file, path: "" }, process: { ...event.process, exe: "" } };
  strictEqual(at(ocsfOf(bare, HOST), "actor.process.file"), undefined);
  strictEqual(at(ocsfOf(bare, HOST), "file.name"), "8:1:131074:1");
  strictEqual(at(ecsOf(bare, HOST), "process.executable"), undefined);
});

Deno.test("ecsOf() has the core fields of ECS 8.17, for each operation and action", () => {
  for (const event of EVENTS) {
    const made = ecsOf(event, HOST);
    deepStrictEqual(lacking(made, ECS_REQUIRED), [], `${event.op} ${event.action}`);
    deepStrictEqual(at(made, "event.category"), ["file"]);
    for (const type of at(made, "event.type") as string[]) ok(ECS_FILE_TYPES.includes(type), type);
    ok(["alert", "event"].includes(at(made, "event.kind") as string));
    ok(["success", "failure"].includes(at(made, "event.outcome") as string));
    strictEqual(typeof at(made, "event.type.0"), "string");
  }
});

Deno.test("ecsOf() writes numbers that ECS calls keywords as text", () => {
  const made = ecsOf(decisionEvent(), HOST);
  deepStrictEqual([at(made, "file.inode"), at(made, "user.id")], ["131074", "33"]);
});
