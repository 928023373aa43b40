/**
 * Serves the control socket; see `api.ts` for what it speaks.
 *
 * @module
 */
import { connectedPeers } from "../../ffi/unix_socket.ts";
import type { ApiErrorBody } from "./api.ts";
import type { Agent } from "./agent.ts";
import { type RunningServer, serveBounded, type ServerBounds } from "./bounded_server.ts";
import { Refusal } from "./refusal.ts";
import { MAX_BODY, METHODS } from "./route.ts";
import { ROUTES } from "./routes.ts";

/** Serves until `signal` is aborted. The socket is for root alone: by its mode, and by asking who is there. */
export function serveControl(
  agent: Agent,
  path: string,
  signal: AbortSignal,
  bounds: ServerBounds = {},
): RunningServer {
  removeStale(path);
  const listener = Deno.listen({ transport: "unix", path });
  Deno.chmodSync(path, 0o600);
  return serveBounded(listener, {
    answer: (request) => respond(agent, request),
    refuse: (status, message) => refuse(status, { exit: 2, message }),
    fault: (error) => agent.log(`internal error at the control socket: ${stackOf(error)}`),
    hasStranger: strangerWatch(agent, path),
    bounds: { maxBody: MAX_BODY, ...bounds },
  }, signal);
}

/** Tells whether somebody is connected who is not root: with the means to pass over the socket's mode, for example. */
function strangerWatch(agent: Agent, path: string): () => boolean {
  const served = [0, Deno.uid() ?? 0];
  let nextLog = 0;
  return () => {
    const [peer] = connectedPeers(path, served).values();
    if (peer !== undefined && performance.now() >= nextLog) {
      nextLog = performance.now() + LOG_PAUSE_MS;
      agent.log(`turned away from the control socket: uid ${peer.uid}, pid ${peer.pid}`);
    }
    return peer !== undefined;
  };
}

const LOG_PAUSE_MS = 60_000;

/** Answers one request: what is refused, and a fault of our own, with an {@linkcode ApiErrorBody}. */
export async function respond(agent: Agent, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const handler = ROUTES[`${request.method} ${url.pathname}`];
  if (handler === undefined) return noRoute(request.method, url.pathname);
  try {
    // What only reads needs no turn: health answers while a policy waits for its own.
    if (request.method === "GET") return await handler(agent, request, url);
    return await agent.writer.run(() => handler(agent, request, url));
  } catch (error) {
    if (error instanceof Refusal) {
      const { exit, message, problems } = error;
      return refuse(exit === 2 ? 400 : 422, { exit, message, ...(problems.length > 0 ? { problems } : {}) });
    }
    agent.log(`internal error in ${request.method} ${url.pathname}: ${stackOf(error)}`);
    return refuse(500, { exit: 70, message: error instanceof Error ? error.message : String(error) });
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

function noRoute(method: string, path: string): Response {
  const others = METHODS.filter((other) => Object.hasOwn(ROUTES, `${other} ${path}`));
  const message = `There is no ${method} ${path}`;
  if (others.length === 0) return refuse(404, { exit: 2, message });
  const response = refuse(405, { exit: 2, message: `${message}, only ${others.join(" and ")}` });
  response.headers.set("allow", others.join(", "));
  return response;
}

function refuse(status: number, error: ApiErrorBody["error"]): Response {
  return Response.json({ error } satisfies ApiErrorBody, { status });
}

function removeStale(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
