/**
 * What a route of the control socket is, and how it reads its request.
 *
 * @module
 */
import type { Agent } from "./agent.ts";
import { Refusal } from "./refusal.ts";

/** Answers one request. @throws {Refusal} what the answer's error says. */
export type Handler = (agent: Agent, request: Request, url: URL) => Promise<Response> | Response;

/** Handlers by method and path, as `GET /v1/health`. */
export type Routes = Readonly<Record<string, Handler>>;

/** Methods that routes may have. */
export const METHODS = ["GET", "POST", "DELETE"] as const;

/** Largest request in bytes: the largest policy as base64, and a little. The server refuses more. */
export const MAX_BODY = 12 << 20;

/**
 * The request's body.
 *
 * @throws {Refusal} 2 if it is not JSON.
 */
export async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch (error) {
    throw new Refusal(2, `Expected a request in JSON: ${error instanceof Error ? error.message : error}`);
  }
}
