/**
 * Serves the control socket; see `api.ts` for what it speaks.
 *
 * @module
 */
import type { ApiErrorBody } from "./api.ts";
import type { Agent } from "./agent.ts";
import { Refusal } from "./refusal.ts";
import { ROUTES } from "./routes.ts";

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

function removeStale(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
