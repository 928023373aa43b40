/** Holds docs/openapi.yaml against the routes, and against what a real agent answers. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { parse } from "yaml";
import * as z from "zod";
import { Agent } from "./agent.ts";
import { serveControl } from "./control_server.ts";
import { EventOutlets } from "./event_outlets.ts";
import { ROUTES } from "./routes.ts";
import { policyBytes, TestInstallation } from "./test_support.ts";

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>;
type JsonSchema = Readonly<Record<string, unknown>>;

const DOCUMENT = parse(Deno.readTextFileSync(new URL("../../docs/openapi.yaml", import.meta.url))) as {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
};

const OPERATIONS: ReadonlyMap<string, Operation> = new Map(
  Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      [`${method.toUpperCase()} ${path}`, operation] as const
    )
  ),
);

/** The schema as zod has it, with nothing allowed in an object but what it names. */
function closed(schema: JsonSchema): z.ZodType {
  const text = JSON.stringify({ ...schema, $defs: DOCUMENT.components.schemas });
  const whole = JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/"), (_key, value) => {
    const isObject = value?.type === "object" && value.properties !== undefined;
    return isObject ? { additionalProperties: false, ...value } : value;
  });
  return z.fromJSONSchema(whole);
}

function check(schema: JsonSchema, value: unknown, what: string): void {
  const result = closed(schema).safeParse(value);
  ok(result.success, `${what}: ${result.error && z.prettifyError(result.error)}\n${JSON.stringify(value)}`);
}

/** An agent behind its socket; every answer is held against the document. */
class Documented implements AsyncDisposable {
  readonly host = new TestInstallation();
  /** Operations that were answered, with their statuses. */
  readonly seen = new Map<string, Set<number>>();
  readonly #abort = new AbortController();
  readonly #running: Promise<unknown>;
  readonly #http: Deno.HttpClient;

  constructor() {
    const { up, pins, store, places } = this.host;
    const agent = new Agent({
      ...{ up, pins, store, locations: places, version: "1.2.3", outlets: new EventOutlets([]) },
      log: () => {},
    });
    this.#http = Deno.createHttpClient({ proxy: { transport: "unix", path: places.socket } });
    const server = serveControl(agent, places.socket, this.#abort.signal);
    this.#running = Promise.all([agent.run(), server.finished]);
    this.#abort.signal.addEventListener("abort", () => agent.stop());
  }

  /** Asks, and gives the status of the answer. */
  async ask(route: string, body?: unknown, query = ""): Promise<number> {
    const [method = "", path = ""] = route.split(" ");
    const operation = OPERATIONS.get(route);
    if (operation === undefined) throw new Error(`${route} is not in the document`);
    const wanted = operation.requestBody?.content["application/json"]?.schema;
    const response = await fetch(`http://localhost${path}${query}`, {
      method,
      client: this.#http,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { status } = response;
    if (status === 200 && wanted) check(wanted, body, `request of ${route}`);
    const answers = operation.responses["200"]?.content ?? {};
    const [type = ""] = status === 200 ? Object.keys(answers) : ["application/json"];
    strictEqual(response.headers.get("content-type"), type, route);
    const schema = status === 200 ? answers[type]?.schema ?? {} : { $ref: "#/components/schemas/Error" };
    check(
      schema,
      type === "application/json" ? await response.json() : await response.text(),
      `${route} ${status}`,
    );
    this.seen.set(route, (this.seen.get(route) ?? new Set()).add(status));
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#http.close();
    await this.#running;
    this.host[Symbol.dispose]();
  }
}

Deno.test("openapi.yaml has every route, and no other", () => {
  ok(DOCUMENT.openapi.startsWith("3.1."));
  deepStrictEqual([...OPERATIONS.keys()].toSorted(), Object.keys(ROUTES).toSorted());
  const ids = [...OPERATIONS.values()].map(({ operationId }) => operationId);
  strictEqual(new Set(ids).size, ids.length);
  for (const [route, { summary, responses }] of OPERATIONS) {
    ok(summary.length > 3, route);
    deepStrictEqual(Object.keys(responses), ["200", "400", "422", "default"], route);
  }
});

Deno.test("openapi.yaml uses each of its schemas, and names none that there is not", () => {
  const text = JSON.stringify(DOCUMENT);
  const used = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name));
  deepStrictEqual([...used].toSorted(), Object.keys(DOCUMENT.components.schemas).toSorted());
});

Deno.test("openapi.yaml says what the agent answers", async () => {
  await using api = new Documented();
  const path = api.host.file("watched");
  const apply = (serial: number, more: object = {}) =>
    api.ask("POST /v1/policy/apply", {
      source: policyBytes({ serial, paths: [path, `${path}-not-there`] }).toBase64(),
      file: "p.yaml",
      ...more,
    });
  deepStrictEqual([await api.ask("GET /v1/policy"), await api.ask("GET /v1/policy/source")], [200, 422]);
  strictEqual(await apply(1, { dry_run: true }), 200);
  strictEqual(await apply(1, { force: true }), 200);
  strictEqual(await apply(2, { confirm_within_s: 60 }), 200);
  strictEqual(await api.ask("POST /v1/policy/confirm"), 200);
  strictEqual(await api.ask("POST /v1/policy/rollback", {}), 200);
  strictEqual(await apply(1, { file: 5 }), 400);
  strictEqual(await api.ask("POST /v1/policy/apply", { source: "eA==", file: "p.yaml" }), 422);
  Deno.readTextFileSync(path);
  for (const query of ["", "?by=rule", "?by=cgroup", "?by=inode", "?by=path"]) {
    strictEqual(await api.ask("GET /v1/stats", undefined, query), 200);
  }
  strictEqual(await api.ask("GET /v1/stats", undefined, "?by=x"), 400);
  for (const asked of [path, `${path}-not-there`, "/etc/passwd"]) {
    strictEqual(await api.ask("GET /v1/explain", undefined, `?path=${asked}&op=read&uid=0`), 200);
  }
  strictEqual(await api.ask("POST /v1/deny/add", { target: path, ops: ["read"], ttl_s: 60, id: "x" }), 200);
  strictEqual(await api.ask("GET /v1/deny"), 200);
  strictEqual(await api.ask("GET /v1/explain", undefined, `?path=${path}`), 200);
  strictEqual(await api.ask("POST /v1/allow/add", { cgroup: "/not-there", ttl_s: 60 }), 200);
  strictEqual(await api.ask("GET /v1/allow"), 200);
  for (const route of ["GET /v1/policy", "GET /v1/policy/source", "GET /v1/health"]) {
    strictEqual(await api.ask(route), 200);
  }
  strictEqual(await api.ask("POST /v1/deny/remove", { rule: "hand:x" }), 200);
  strictEqual(await api.ask("POST /v1/allow/remove", { cgroup: "/not-there" }), 200);
  strictEqual(
    await api.ask("POST /v1/emergency/disable", { reason: "INC-1", for_s: 60, login_uid: 1000 }),
    200,
  );
  deepStrictEqual([await api.ask("GET /v1/emergency"), await api.ask("GET /v1/health")], [200, 200]);
  strictEqual(await api.ask("POST /v1/emergency/enable", {}), 200);
  const callers = { members: ["/"], excepted: { cgroups: [], exe: [], uids: [] } };
  const rules = [{
    rule: "watched",
    signals: false,
    decoys: [{ path: api.host.file("decoy"), kind: "file" }],
  }];
  strictEqual(await api.ask("POST /v1/prove/begin", { callers, rules }), 200);
  deepStrictEqual([await api.ask("POST /v1/prove/look"), await api.ask("POST /v1/prove/end")], [200, 200]);
  deepStrictEqual([...OPERATIONS.keys()].filter((route) => !api.seen.get(route)?.has(200)), []);
  for (
    const route of [
      "POST /v1/policy/apply",
      "POST /v1/deny/add",
      "POST /v1/allow/add",
      "POST /v1/prove/begin",
    ]
  ) {
    strictEqual(await api.ask(route, 5), 400, route);
  }
});
