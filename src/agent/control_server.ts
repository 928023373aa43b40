/**
 * Serves the control socket; see `api.ts` for what it speaks.
 *
 * @module
 */
import {
  type ApiErrorBody,
  type ApplyRequest,
  type ProveBegin,
  STATS_KEYS,
  type StatsReport,
} from "./api.ts";
import type { Agent } from "./agent.ts";
import type { ExplainQuestion } from "./explain.ts";
import { Refusal } from "./refusal.ts";

/** Largest request in bytes: the largest policy as base64, and a little. */
const MAX_BODY = 12 << 20;

/** Serves until `signal` is aborted. The socket is for root alone. */
export function serveControl(
  agent: Agent,
  path: string,
  signal: AbortSignal,
): Deno.HttpServer<Deno.UnixAddr> {
  removeStale(path);
  const server = Deno.serve({ path, signal, onListen: () => {} }, (request) => respond(agent, request));
  Deno.chmodSync(path, 0o600);
  return server;
}

type Handler = (agent: Agent, request: Request, url: URL) => Promise<Response> | Response;

const ROUTES: Readonly<Record<string, Handler>> = {
  "GET /v1/health": (agent) => Response.json(agent.health()),
  "GET /v1/policy": (agent) => Response.json(agent.policy()),
  "GET /v1/policy/source": (agent) =>
    new Response(agent.policySource() as Uint8Array<ArrayBuffer>, {
      headers: { "content-type": "application/yaml" },
    }),
  "GET /v1/stats": (agent, _request, url) => Response.json(agent.stats(statsKey(url.searchParams.get("by")))),
  "GET /v1/explain": (agent, _request, url) => Response.json(agent.explain(question(url.searchParams))),
  "POST /v1/policy/apply": async (agent, request) =>
    Response.json(agent.apply(applyRequest(await readJson(request)))),
  "POST /v1/prove/begin": async (agent, request) =>
    Response.json(agent.prove.begin(proveRequest(await readJson(request)))),
  "POST /v1/prove/end": (agent) => Response.json(agent.prove.end()),
};

async function respond(agent: Agent, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const handler = ROUTES[`${request.method} ${url.pathname}`];
  if (handler === undefined) {
    return refuse(404, { exit: 2, message: `There is no ${request.method} ${url.pathname}` });
  }
  try {
    return await handler(agent, request, url);
  } catch (error) {
    if (error instanceof Refusal) {
      const { exit, message, problems } = error;
      return refuse(exit === 2 ? 400 : 422, { exit, message, ...(problems.length > 0 ? { problems } : {}) });
    }
    agent.log(
      `internal error in ${request.method} ${url.pathname}: ${error instanceof Error ? error.stack : error}`,
    );
    return refuse(500, { exit: 70, message: error instanceof Error ? error.message : String(error) });
  }
}

function refuse(status: number, error: ApiErrorBody["error"]): Response {
  return Response.json({ error } satisfies ApiErrorBody, { status });
}

async function readJson(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > MAX_BODY) throw new Refusal(2, `Expected a request of at most ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(await new Blob(chunks as BlobPart[]).text());
  } catch (error) {
    throw new Refusal(2, `Expected a request in JSON: ${error instanceof Error ? error.message : error}`);
  }
}

function applyRequest(value: unknown): ApplyRequest & { bytes: Uint8Array } {
  const { source, file, dry_run = false, force = false } = (value ?? {}) as Record<string, unknown>;
  if (
    typeof source !== "string" || typeof file !== "string" || typeof dry_run !== "boolean" ||
    typeof force !== "boolean"
  ) {
    throw new Refusal(2, "Expected {source: base64, file: text, dry_run?: boolean, force?: boolean}");
  }
  try {
    return { source, file, dry_run, force, bytes: Uint8Array.fromBase64(source) };
  } catch {
    throw new Refusal(2, "Expected source to be base64");
  }
}

function proveRequest(value: unknown): ProveBegin {
  const { cgroup, rule, decoys } = (value ?? {}) as Record<string, unknown>;
  if (typeof cgroup !== "string" || typeof rule !== "string" || !Array.isArray(decoys)) {
    throw new Refusal(2, "Expected {cgroup: path, rule: id, decoys: [{path, kind}]}");
  }
  for (const { path, kind } of decoys) {
    if (typeof path !== "string" || !path.startsWith("/") || !["file", "subtree", "inode"].includes(kind)) {
      throw new Refusal(
        2,
        "Expected each decoy to have an absolute path and the kind file, subtree or inode",
      );
    }
  }
  return { cgroup, rule, decoys };
}

function statsKey(by: string | null): StatsReport["by"] {
  if (by === null) return undefined;
  const key = STATS_KEYS.find((name) => name === by);
  if (key === undefined) throw new Refusal(2, `Expected by to be one of ${STATS_KEYS.join(", ")}, got ${by}`);
  return key;
}

function question(parameters: URLSearchParams): ExplainQuestion {
  const unknown = [...parameters.keys()].find((key) => !QUESTION_KEYS.includes(key));
  if (unknown !== undefined) throw new Refusal(2, `Expected ${QUESTION_KEYS.join(", ")}, got ${unknown}`);
  const { path, ...rest } = Object.fromEntries(parameters);
  if (path === undefined) throw new Refusal(2, "Expected path");
  return { path, ...rest };
}

const QUESTION_KEYS: readonly string[] = ["path", "op", "cgroup", "uid", "exe"];

function removeStale(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
