/**
 * An HTTP server that no peer can wear out: so many connections at most, so much time for a request, so many bytes. One
 * request a connection.
 *
 * @module
 */
import { type Connection, HttpError, readRequest, writeResponse } from "./http_message.ts";

/** What connections come from. */
export interface ConnectionSource {
  accept(): Promise<Deno.Conn>;
  close(): void;
}

/** Bounds, each with a default. */
export interface ServerBounds {
  /** Connections at once: one more, and the oldest is closed. Default: 64. */
  readonly connections?: number;
  /** Milliseconds from accepting until the whole request is there. Default: 10,000. */
  readonly requestMs?: number;
  /** Milliseconds in which a peer must take a piece of the answer. Default: 10,000. */
  readonly pieceMs?: number;
  /** Bytes of a request's body. Default: 0. */
  readonly maxBody?: number;
}

/** What to serve. */
export interface Service {
  /** Answers one request; it must not throw. */
  readonly answer: (request: Request) => Promise<Response> | Response;
  /** The answer to what is refused before it is a request. */
  readonly refuse: (status: number, message: string) => Response;
  /** Told of what must not happen, with which the connection ends, and no other. */
  readonly fault: (error: unknown) => void;
  /**
   * Whether somebody is connected who is not to be answered. Asked before a request is answered; then all connections
   * that have come since it last said no are closed without a word. By default nobody is.
   */
  readonly hasStranger?: () => boolean;
  readonly bounds?: ServerBounds;
}

/** A server that runs. */
export interface RunningServer {
  /** Once it serves no more. */
  readonly finished: Promise<void>;
}

/** Serves until `signal` is aborted. */
export function serveBounded(source: ConnectionSource, service: Service, signal: AbortSignal): RunningServer {
  const open = new Set<Peer>();
  const stop = () => {
    source.close();
    for (const peer of open) peer.close();
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return { finished: acceptAll(source, service, open, signal) };
}

const DEFAULTS: Required<ServerBounds> = {
  connections: 64,
  requestMs: 10_000,
  pieceMs: 10_000,
  maxBody: 0,
};

async function acceptAll(
  source: ConnectionSource,
  service: Service,
  open: Set<Peer>,
  signal: AbortSignal,
): Promise<void> {
  const bounds = { ...DEFAULTS, ...service.bounds };
  const served = new Set<Promise<void>>();
  while (!signal.aborted) {
    let connection: Deno.Conn;
    try {
      connection = await source.accept();
    } catch (error) {
      if (signal.aborted) break;
      // Out of descriptors, for example: what is open ends in its time, and then there is room again.
      if (error instanceof Deno.errors.BadResource) throw error;
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      continue;
    }
    const peer = new Peer(connection, bounds);
    makeRoom(open, bounds.connections);
    open.add(peer);
    const done = serveOne(peer, open, service, bounds).catch(service.fault).finally(() => {
      peer.close();
      open.delete(peer);
      served.delete(done);
    });
    served.add(done);
  }
  await Promise.all(served);
}

const ACCEPT_PAUSE_MS = 100;

/** The oldest goes: whoever has something to ask asks it at once, and whoever came to wait has waited. */
function makeRoom(open: Set<Peer>, connections: number): void {
  for (const peer of open) {
    if (open.size < connections) return;
    if (peer.isAnswered) continue;
    peer.close();
    open.delete(peer);
  }
}

async function serveOne(
  peer: Peer,
  open: ReadonlySet<Peer>,
  { answer, refuse, hasStranger }: Service,
  { maxBody, requestMs }: Required<ServerBounds>,
): Promise<void> {
  try {
    const late = new HttpError(408, `Expected a whole request within ${requestMs / 1000} s`);
    const request = await within(requestMs, readRequest(peer, maxBody), late);
    if (request === undefined || !isWelcome(peer, open, hasStranger)) return;
    peer.isAnswered = true;
    const response = await answer(request);
    peer.isAnswered = false;
    await writeResponse(peer, response, { head: request.method === "HEAD" });
  } catch (error) {
    if (!(error instanceof HttpError)) return passGone(error);
    if (!isWelcome(peer, open, hasStranger)) return;
    try {
      await writeResponse(peer, refuse(error.status, error.message));
      await peer.drain();
    } catch (gone) {
      passGone(gone);
    }
  }
}

function isWelcome(peer: Peer, open: ReadonlySet<Peer>, hasStranger: Service["hasStranger"]): boolean {
  if (peer.isKnown || hasStranger === undefined) return true;
  const found = hasStranger();
  for (const other of open) {
    if (!found) other.isKnown = true;
    else if (!other.isKnown) other.close();
  }
  return !found;
}

/** A peer that goes away, or was sent away, is no fault. */
function passGone(error: unknown): void {
  const gone = [
    Deno.errors.BrokenPipe,
    Deno.errors.ConnectionReset,
    Deno.errors.BadResource,
    Deno.errors.Interrupted,
    Deno.errors.NotConnected,
    Deno.errors.TimedOut,
  ];
  if (!gone.some((kind) => error instanceof kind)) throw error;
}

/** One connection. */
class Peer implements Connection {
  /** While its answer is made; it is not closed then. */
  isAnswered = false;
  /** Nobody was a stranger while this was there. */
  isKnown = false;
  readonly #connection: Deno.Conn;
  readonly #pieceMs: number;
  #closed = false;

  constructor(connection: Deno.Conn, { pieceMs }: Required<ServerBounds>) {
    this.#connection = connection;
    this.#pieceMs = pieceMs;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#connection.read(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
    const late = new Deno.errors.TimedOut("The peer does not take its answer");
    return within(this.#pieceMs, this.#connection.write(bytes), late);
  }

  /** Takes what the peer still sends, for a while: closed at once, it would not read its answer. */
  async drain(): Promise<void> {
    await this.#connection.closeWrite();
    const end = performance.now() + DRAIN_MS;
    const buffer = new Uint8Array(64 << 10);
    const late = new Deno.errors.TimedOut("The peer goes on sending");
    for (let left = DRAIN_MS; left > 0; left = end - performance.now()) {
      if (await within(left, this.read(buffer), late) === null) return;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }
}

const DRAIN_MS = 1000;

/** The outcome of `work` if it comes in time; what is left behind ends when its connection is closed. */
async function within<T>(ms: number, work: Promise<T>, late: Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late), ms);
  work.catch(() => {});
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
