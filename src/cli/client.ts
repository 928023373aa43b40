/**
 * Asks the agent: HTTP with JSON over its control socket, bounded in time and size.
 *
 * @module
 */
import type { ApiErrorBody } from "../agent/api.ts";
import { ExitCode, isExitCode } from "../agent/exit_codes.ts";
import type { Problem } from "../policy/problem.ts";

/**
 * Why there is no answer. `absent`: no socket; `left`: a socket that nobody listens at, left by an agent that died;
 * `forbidden`: not for this user; `silent`: no answer in time; `garbled`: an answer that is none.
 */
export type AgentErrorKind = "absent" | "left" | "forbidden" | "silent" | "garbled";

/** The agent did not answer; the message is one line and says what to do. */
export class AgentError extends Error {
  override readonly name = "AgentError";

  constructor(readonly kind: AgentErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The agent answered that it will not. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";

  /** @param problems For an invalid policy: every place that is wrong. */
  constructor(readonly exit: ExitCode, message: string, readonly problems: readonly Problem[] = []) {
    super(message);
  }
}

/** Bounds of one request. */
export interface RequestBounds {
  /** Milliseconds for the whole of it. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Largest accepted answer in bytes. Default: 64 MiB, which 100,000 rules fit in. */
  readonly maxBytes?: number;
}

/** A connection to the agent's control socket. */
export class AgentClient implements Disposable {
  readonly #http: Deno.HttpClient;

  /** Connects with the first request. */
  constructor(readonly socket: string) {
    this.#http = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  }

  /**
   * Gets an answer in JSON. Its shape is the agent's word: both come from one build.
   *
   * @throws {AgentError} if the agent does not answer.
   * @throws {RefusedError} if it refuses.
   */
  async get<T>(path: string, bounds: RequestBounds = {}): Promise<T> {
    return this.#parse<T>(await this.#request(path, { method: "GET" }, bounds));
  }

  /** Gets an answer as it is; errors as for {@linkcode get}. */
  getBytes(path: string, bounds: RequestBounds = {}): Promise<Uint8Array> {
    return this.#request(path, { method: "GET" }, bounds);
  }

  /** Sends a body in JSON and gets an answer in JSON; errors as for {@linkcode get}. */
  async post<T>(path: string, body: unknown, bounds: RequestBounds = {}): Promise<T> {
    const headers = { "content-type": "application/json" };
    const request = { method: "POST", headers, body: JSON.stringify(body) };
    return this.#parse<T>(await this.#request(path, request, bounds));
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#http.close();
  }

  async #request(path: string, init: RequestInit, bounds: RequestBounds): Promise<Uint8Array> {
    const { timeoutMs = 10_000, maxBytes = 64 * 1024 * 1024 } = bounds;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeoutMs);
    try {
      const request = { ...init, client: this.#http, signal: abort.signal };
      const response = await fetch(`http://localhost${path}`, request);
      const bytes = await readBounded(response, maxBytes);
      if (bytes === undefined) throw this.#garbled(`more than ${maxBytes} bytes`);
      if (!response.ok) throw this.#refusal(response.status, bytes);
      return bytes;
    } catch (error) {
      if (error instanceof AgentError || error instanceof RefusedError) throw error;
      if (abort.signal.aborted) {
        const message = `the agent does not answer at ${this.socket} within ${timeoutMs / 1000} s`;
        throw new AgentError("silent", `${message}; see what it says: journalctl -u aegisbpf`);
      }
      throw await this.#unreachable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #parse<T>(bytes: Uint8Array): T {
    const value = parseJson(bytes);
    if (typeof value !== "object" || value === null) throw this.#garbled("not a JSON object");
    return value as T;
  }

  #refusal(status: number, bytes: Uint8Array): AgentError | RefusedError {
    const body = parseJson(bytes) as Partial<ApiErrorBody> | undefined | null;
    const error = body?.error;
    if (typeof error?.message !== "string") return this.#garbled(`HTTP status ${status} without a reason`);
    const exit = isExitCode(error.exit) && error.exit !== ExitCode.Done ? error.exit : ExitCode.Internal;
    return new RefusedError(exit, error.message, error.problems ?? []);
  }

  #garbled(what: string): AgentError {
    const message = `the answer at ${this.socket} is not one of an agent of this version (${what})`;
    return new AgentError("garbled", `${message}; restart it: systemctl restart aegisbpf`);
  }

  /** What kept `fetch` from an answer; it does not tell, a bare connection does. */
  async #unreachable(cause: unknown): Promise<AgentError> {
    try {
      (await Deno.connect({ transport: "unix", path: this.socket })).close();
    } catch (error) {
      return connectError(error, this.socket);
    }
    return this.#garbled(cause instanceof Error ? "it is not HTTP" : String(cause));
  }
}

function connectError(error: unknown, socket: string): AgentError {
  const options = { cause: error };
  if (error instanceof Deno.errors.NotFound) {
    return new AgentError("absent", `no agent is running (there is no ${socket}); ${START}`, options);
  }
  if (error instanceof Deno.errors.ConnectionRefused) {
    return new AgentError("left", `no agent is running (nobody listens at ${socket}); ${START}`, options);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new AgentError("forbidden", `${socket} is not for this user; run this as root`, options);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new AgentError("absent", `cannot connect to ${socket}: ${reason}`, options);
}

const START = "start it with systemctl start aegisbpf or aegisbpf run";

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** The body, or undefined if it is larger than `maxBytes`. */
async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response.body ?? []) {
    total += chunk.length;
    if (total > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
