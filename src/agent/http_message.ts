/**
 * One HTTP/1.1 request read from a connection, and its answer written, both within bounds; RFC 9112. Deno's own server
 * bounds neither how long a request may take nor how many connections there are.
 *
 * @module
 */

/** A byte stream in both directions. */
export interface Connection {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
}

/** A request that is refused before anyone looks at what it asks for. */
export class HttpError extends Error {
  override readonly name = "HttpError";

  /** @param status Of the answer: 400 to 505. */
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/**
 * Reads one request, its body included.
 *
 * @param maxBody Bytes.
 * @returns undefined where the peer closes before it asks anything.
 * @throws {HttpError} if it is malformed or too large.
 */
export async function readRequest(connection: Connection, maxBody: number): Promise<Request | undefined> {
  const { head, rest } = await readHead(connection);
  if (head === undefined) return undefined;
  const { method, target, headers } = parseHead(head);
  const length = bodyLength(headers, maxBody);
  if (length > rest.length && headers.get("expect")?.toLowerCase() === "100-continue") {
    await writeAll(connection, encoder.encode("HTTP/1.1 100 Continue\r\n\r\n"));
  }
  const body = await readBody(connection, rest, length);
  const hasBody = method !== "GET" && method !== "HEAD";
  try {
    return new Request(`http://localhost${target}`, { method, headers, ...(hasBody ? { body } : {}) });
  } catch {
    // CONNECT, TRACE and TRACK, and targets that are no URL.
    throw new HttpError(400, `Expected another request than ${method} ${target.slice(0, 100)}`);
  }
}

/** Writes an answer, after which the connection is to be closed. */
export async function writeResponse(
  connection: Connection,
  response: Response,
  { head = false }: { readonly head?: boolean } = {},
): Promise<void> {
  const lines = [`HTTP/1.1 ${response.status} ${REASONS[response.status] ?? "Unknown"}`];
  for (const [name, value] of response.headers) lines.push(`${name}: ${value}`);
  lines.push("connection: close", "transfer-encoding: chunked", "", "");
  await writeAll(connection, encoder.encode(lines.join("\r\n")));
  if (head) return await response.body?.cancel();
  for await (const chunk of response.body ?? []) {
    if (chunk.length === 0) continue;
    await writeAll(connection, encoder.encode(`${chunk.length.toString(16)}\r\n`));
    await writeAll(connection, chunk);
    await writeAll(connection, CRLF);
  }
  await writeAll(connection, encoder.encode("0\r\n\r\n"));
}

const encoder = new TextEncoder();
const CRLF = encoder.encode("\r\n");
const LATIN1 = new TextDecoder("latin1");
/** Bytes of a request's line and headers. */
const MAX_HEAD = 16 << 10;

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  411: "Length Required",
  413: "Content Too Large",
  422: "Unprocessable Content",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

async function readHead(connection: Connection): Promise<{ head: string | undefined; rest: Uint8Array }> {
  const buffer = new Uint8Array(MAX_HEAD);
  for (let length = 0;;) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) {
      if (length === 0) return { head: undefined, rest: buffer.subarray(0, 0) };
      throw new HttpError(400, "Expected a whole request");
    }
    length += count;
    const text = LATIN1.decode(buffer.subarray(0, length));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) return { head: text.slice(0, end), rest: buffer.subarray(end + 4, length) };
    if (length === MAX_HEAD) throw new HttpError(431, `Expected headers of at most ${MAX_HEAD} bytes`);
  }
}

function parseHead(head: string): { method: string; target: string; headers: Headers } {
  const [first = "", ...lines] = head.split("\r\n");
  const [, method = "", target = "", version = ""] =
    /^([A-Z]{1,16}) (?:http:\/\/[^\s/]*)?(\/[\x21-\x7e]*) HTTP\/(\d\.\d)$/.exec(first) ?? [];
  if (method === "") throw new HttpError(400, "Expected a request line as GET /v1/health HTTP/1.1");
  if (version !== "1.1") throw new HttpError(505, `Expected HTTP/1.1, got HTTP/${version}`);
  const headers = new Headers();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([-!#$%&'*+.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === "") throw new HttpError(400, "Expected headers as name: value");
    try {
      headers.append(name, value);
    } catch {
      throw new HttpError(400, `Expected another value of the header ${name}`);
    }
  }
  return { method, target, headers };
}

/** Only a length that is told beforehand can be refused before it is read. */
function bodyLength(headers: Headers, maxBody: number): number {
  if (headers.has("transfer-encoding")) throw new HttpError(411, "Expected Content-Length, not chunks");
  const text = headers.get("content-length") ?? "0";
  // Two of them arrive joined by a comma.
  if (!/^\d{1,15}$/.test(text)) throw new HttpError(400, "Expected one Content-Length of decimal digits");
  const length = Number(text);
  if (length > maxBody) throw new HttpError(413, `Expected a request of at most ${maxBody} bytes`);
  return length;
}

async function readBody(
  connection: Connection,
  rest: Uint8Array,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (rest.length >= length) return rest.slice(0, length);
  // Grows with what arrives: a length that is only claimed costs nothing.
  const chunks = [rest.slice()];
  for (let got = rest.length; got < length;) {
    const chunk = new Uint8Array(Math.min(length - got, CHUNK));
    const count = await connection.read(chunk);
    if (count === null) throw new HttpError(400, "Expected a whole request");
    chunks.push(chunk.slice(0, count));
    got += count;
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

const CHUNK = 64 << 10;

async function writeAll(connection: Connection, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}
