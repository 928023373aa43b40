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

/** Largest request in bytes: the largest policy as base64, and a little. */
const MAX_BODY = 12 << 20;

/**
 * The request's body.
 *
 * @throws {Refusal} 2 if it is too large or not JSON.
 */
export async function readJson(request: Request): Promise<unknown> {
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
