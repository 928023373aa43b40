/**
 * The format of events, published by `policy schema --events`; contract section 8.
 *
 * @module
 */
import * as z from "zod";
import { BACKENDS } from "../kernel/backend.ts";
import { SEVERITIES } from "./state_event.ts";

/** A number, or its digits where JSON readers would lose some: inode numbers can have 64 bits. */
const long = z.union([z.int().nonnegative(), z.string().regex(/^[0-9]+$/)]);
const uint32 = z.int().min(0).max(0xffff_ffff);

/** One event, a line of JSON. */
export const eventSchema = z.strictObject({
  v: z.literal(1).describe("version of this format"),
  id: z.string().describe("unique on this host"),
  time: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/).describe("RFC 3339, UTC, nanoseconds"),
  action: z.enum(["deny", "audit", "rebound"]).describe(
    "refused; let through and reported; or another file came to stand at a rule's place",
  ),
  op: z.enum(["read", "write", "exec", "delete", "rename", "link", "attr", "truncate", "bind"]).describe(
    "what was tried; bind for rebound",
  ),
  rule: z.string().describe("id of the rule"),
  policy: z.strictObject({ name: z.string(), serial: z.int().nonnegative(), sha256: z.string() }),
  file: z.strictObject({
    path: z.string(),
    path_source: z.enum(["kernel", "rule", "argument"]).describe(
      "what the kernel opened; what the rule names; or what a system call was asked for",
    ),
    dev: z.string().regex(/^\d+:\d+$/).describe("the superblock's device, MAJOR:MINOR"),
    ino: long,
    gen: uint32,
  }),
  process: z.strictObject({
    pid: uint32,
    ppid: uint32,
    uid: uint32,
    gid: uint32,
    comm: z.string(),
    exe: z.string(),
    start_ns: long.describe("CLOCK_BOOTTIME at which it started"),
    cgroup: z.strictObject({ id: long, path: z.string() }),
  }),
  backend: z.enum([...BACKENDS, "unknown"]),
  count: z.int().positive().describe("how many equal decisions it stands for"),
  ret: z.int().describe("what the operation returned because of this: 0 or a negative error number"),
});

/** A line about the agent itself. */
export const stateEventSchema = z.strictObject({
  v: z.literal(1).describe("version of this format"),
  id: z.string().describe("unique on this host"),
  time: eventSchema.shape.time,
  action: z.literal("state").describe("what the host gets became less, or is what it was again"),
  code: z.string().regex(/^[a-z_]+$/).describe("reason code; docs/degraded-modes.md has them all"),
  state: z.enum(["begin", "end"]),
  severity: z.enum(SEVERITIES).describe("critical: not all that rules deny is refused"),
  detail: z.string().describe("one line for a person"),
  posture: z.enum(["enforce", "audit", "degraded", "off"]).describe("what the host gets now"),
  policy: eventSchema.shape.policy,
  backend: eventSchema.shape.backend,
});

/** The format of a line as JSON Schema (draft 2020-12): a decision, or a line about the agent itself. */
export function eventJsonSchema(): Record<string, unknown> {
  const { $schema, ...decision } = z.toJSONSchema(eventSchema);
  const { $schema: _, ...state } = z.toJSONSchema(stateEventSchema);
  const titled = [
    { title: "a decision, or another file at a rule's place", ...decision },
    { title: "the agent about itself", ...state },
  ];
  return { $schema, title: "aegisbpf event, version 1", oneOf: titled };
}
