/**
 * Fuzzes what the agent is told: requests at the control socket, records of the kernel side, what pinned maps hold, and
 * recorded events.
 *
 * @module
 */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import type { Agent } from "../../src/agent/agent.ts";
import { respond } from "../../src/agent/control_server.ts";
import { type Connection, HttpError, readRequest, writeResponse } from "../../src/agent/http_message.ts";
import { OneWriter } from "../../src/agent/one_writer.ts";
import { MAX_BODY } from "../../src/agent/route.ts";
import { ROUTES } from "../../src/agent/routes.ts";
import { decodeRecord, RecordError } from "../../src/events/decode.ts";
import { ecsOf } from "../../src/events/ecs.ts";
import { eventOf } from "../../src/events/event.ts";
import { ocsfOf } from "../../src/events/ocsf.ts";
import { parseEvent } from "../../src/events/recorded.ts";
import { eventSchema } from "../../src/events/schema.ts";
import { recordBytes } from "../../src/events/test_support.ts";
import { textLine } from "../../src/events/text.ts";
import { flowOf } from "../../src/kernel/counters.ts";
import { ENTRY, FLOW, FLOW_KEY, KEY, RULE } from "../../src/kernel/layout.ts";
import * as packed from "../../src/kernel/packed.ts";
import { corpusOf } from "./corpus.ts";
import { generalised } from "./outcome.ts";
import type { Target } from "./targets.ts";

const HOST = { hostname: "h", version: "1" };
const POLICY = { name: "p", serial: 1, sha256: "ab".repeat(32) };

/** A request is answered or refused, each time with a whole message; nothing in it is a fault of the agent's own. */
const control: Target = {
  corpus: corpusOf("control"),
  pieces: [
    ...Object.keys(ROUTES).map((route) => `${route} HTTP/1.1\r\n`),
    ...'\r\n|\r\n\r\n|: |?by=rule|&|%00|%2f|http://x|HTTP/1.0|{|}|[|]|"|\\|,|null|true|-1|1e999|0|[]'.split(
      "|",
    ),
    ..."content-length: |transfer-encoding: chunked|expect: 100-continue|host: h".split("|"),
    ...'"source":"|"file":"|"signature":"|"dry_run":|"target":|"ops":|"ttl_s":|"reason":|"for_s":|"rules":'
      .split("|"),
    ...'"callers":|"decoys":|"to":|"confirm_within_s":|"__proto__":|"login_uid":|"cgroup":"/x"'.split("|"),
  ],
  run: async (input) => {
    const connection = new Bytes(input);
    let request: Request | undefined;
    try {
      request = await readRequest(connection, MAX_BODY);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      ok(error.status >= 400 && error.status <= 505 && error.message !== "");
      return generalised(error.message);
    }
    if (request === undefined) return "nothing";
    const route = `${request.method} ${new URL(request.url).pathname}`;
    const response = await respond(AGENT, request);
    await writeResponse(connection, response.clone());
    match(connection.written(), /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 \d{3} [A-Z][A-Za-z -]+\r\n/);
    const body = await response.text();
    if (response.ok) return `${route} ${response.status}`;
    const { error: { exit, message } } = JSON.parse(body);
    ok(Number.isInteger(exit) && exit > 0 && message !== "");
    return `${route in ROUTES ? route : ""} ${response.status} ${generalised(message)}`;
  },
};

/** A record is refused, or becomes an event that the published schema describes. */
const record: Target = {
  corpus: [recordBytes(), ...corpusOf("record")],
  pieces: ["\0", "\xff\xff", "\x01\0", "a\0b\0", "\ud800", "/", "..\0"],
  run: (input) => {
    const bytes = input.slice();
    try {
      const decoded = decodeRecord(packed.viewOf(bytes));
      const context = { id: "i", rule: "r", op: "read", policy: POLICY, count: 1n, bootOffsetNs: 0n };
      const event = eventOf(decoded, context);
      const read = JSON.parse(JSON.stringify(event));
      deepStrictEqual(
        eventSchema.safeParse({ ...read, op: decoded.type === "bound" ? "bind" : "read" }).error,
        undefined,
      );
      ok(parseEvent(JSON.stringify(event)) !== undefined, "the recorder reads what was written");
      inOneLine(textLine(event));
      return `${event.action} ${event.file.path_source} ${event.backend} ${
        event.file.path.split("/").length
      }`;
    } catch (error) {
      if (error instanceof RecordError) return generalised(error.message);
      throw error;
    }
  },
};

/** Keys and values of pinned maps, which another program may have written: whatever they say is read, and says the same again. */
const pinned: Target = {
  corpus: [new Uint8Array(256), ...corpusOf("pinned")],
  pieces: ["\0\0\0\0", "\xff\xff\xff\xff", "\x01"],
  run: (input) => {
    const whole = new Uint8Array(FLOW_KEY.SIZE + FLOW.SIZE + KEY.SIZE + ENTRY.SIZE + RULE.SIZE);
    whole.set(input.subarray(0, whole.length));
    let at = 0;
    const take = (size: number): Uint8Array => whole.subarray(at, at += size);
    const flow = flowOf(take(FLOW_KEY.SIZE), take(FLOW.SIZE));
    ok(!flow.comm.includes("\0") && flow.total >= 0n);
    packed.identityText(flow.file);
    const key = packed.readKey(packed.viewOf(take(KEY.SIZE)));
    const entry = packed.readEntry(packed.viewOf(take(ENTRY.SIZE)));
    const rule = packed.readRule(packed.viewOf(take(RULE.SIZE)));
    deepStrictEqual(again(KEY.SIZE, key, packed.writeKey, packed.readKey), key);
    deepStrictEqual(again(ENTRY.SIZE, entry, packed.writeEntry, packed.readEntry), entry);
    deepStrictEqual(again(RULE.SIZE, rule, packed.writeRule, packed.readRule), rule);
    return `${key.kind} ${rule.flags} ${rule.signal}`;
  },
};

/** A recorded line is an event in every format, or none. */
const recorded: Target = {
  corpus: corpusOf("recorded"),
  pieces: [
    ...'{|}|[|]|"|\\|:|,|null|-1|1e999|"v":2|"action":"state"|"time":""|"op":"|"\\ud800"|"__proto__":'.split(
      "|",
    ),
  ],
  run: (input) => {
    const event = parseEvent(new TextDecoder().decode(input));
    if (event === undefined) return "none";
    inOneLine(textLine(event));
    for (const shape of [ocsfOf(event, HOST), ecsOf(event, HOST)]) JSON.parse(JSON.stringify(shape));
    return `${event.action} ${event.op} ${event.file.path_source}`.slice(0, 60);
  },
};

/** The targets of this file by their names. */
export const agentTargets: Readonly<Record<string, Target>> = { control, record, pinned, recorded };

/** Any agent: what it answers is not looked at, and a fault of its own is one. */
const PART: unknown = new Proxy({}, { get: () => () => ({}) });
const AGENT = new Proxy({}, {
  get: (_target, name) => {
    if (name === "writer") return new OneWriter();
    if (["hand", "emergency", "prove", "rollout"].includes(String(name))) return PART;
    if (name === "policySource") return () => new Uint8Array(2);
    if (name !== "log") return () => ({});
    return (line: string) => {
      throw new Error(line);
    };
  },
}) as Agent;

/** A connection that gives an input in parts and keeps what is written. */
class Bytes implements Connection {
  readonly #input: Uint8Array;
  #at = 0;
  #written = "";

  constructor(input: Uint8Array) {
    this.#input = input;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const part = this.#input.subarray(
      this.#at,
      this.#at + Math.min(buffer.length, 1 + this.#input.length % 4096),
    );
    buffer.set(part);
    this.#at += part.length;
    return Promise.resolve(part.length === 0 ? null : part.length);
  }

  write(bytes: Uint8Array): Promise<number> {
    this.#written += new TextDecoder().decode(bytes.subarray(0, 7));
    this.#written += new TextDecoder().decode(bytes.subarray(7));
    return Promise.resolve(bytes.length);
  }

  written(): string {
    return this.#written;
  }
}

function again<T>(
  size: number,
  value: T,
  write: (view: DataView, offset: number, value: T) => void,
  read: (view: DataView) => T,
): T {
  const view = packed.viewOf(new Uint8Array(size));
  write(view, 0, value);
  return read(view);
}

function inOneLine(text: string): void {
  ok(/^\P{Cc}*$/u.test(text), "a line is one line");
}
