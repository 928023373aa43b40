import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { serveBounded, type ServerBounds } from "./bounded_server.ts";

const encoder = new TextEncoder();

/** A server over a Unix socket that answers with what it was asked. */
class Served implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "aegisbpf-bounded-" });
  readonly path = `${this.folder}/socket`;
  answered = 0;
  readonly faults: unknown[] = [];
  readonly #abort = new AbortController();
  readonly #server;

  constructor(bounds: ServerBounds = {}, answer?: () => Response) {
    this.#server = serveBounded(Deno.listen({ transport: "unix", path: this.path }), {
      answer: async (request) => {
        this.answered++;
        return answer?.() ??
          new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`);
      },
      refuse: (status, message) => new Response(message, { status }),
      fault: (error) => this.faults.push(error),
      bounds,
    }, this.#abort.signal);
  }

  connect(): Promise<Deno.UnixConn> {
    return Deno.connect({ transport: "unix", path: this.path });
  }

  /** Sends bytes and gives all that comes back. */
  async ask(request: string | Uint8Array): Promise<string> {
    using connection = await this.connect();
    await writeAll(connection, typeof request === "string" ? encoder.encode(request) : request);
    return await rest(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#server.finished;
    Deno.removeSync(this.folder, { recursive: true });
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}

async function rest(connection: Deno.Conn): Promise<string> {
  return await new Response(connection.readable).text();
}

const HEALTH = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

Deno.test("serveBounded() answers a request, in one piece or byte by byte", async () => {
  await using served = new Served({ maxBody: 100 });
  match(
    await served.ask(HEALTH),
    /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*\r\nGET \/health \r\n0\r\n\r\n$/,
  );
  using connection = await served.connect();
  for (const byte of encoder.encode("POST /x HTTP/1.1\r\ncontent-LENGTH:  4 \r\n\r\nbody")) {
    await connection.write(Uint8Array.of(byte));
  }
  match(await rest(connection), /\r\nPOST \/x body\r\n/);
});

Deno.test("serveBounded() asks for a body that waits to be asked for", async () => {
  await using served = new Served({ maxBody: 100 });
  using connection = await served.connect();
  await writeAll(
    connection,
    encoder.encode("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
  );
  const buffer = new Uint8Array(100);
  const count = await connection.read(buffer) ?? 0;
  strictEqual(new TextDecoder().decode(buffer.subarray(0, count)), "HTTP/1.1 100 Continue\r\n\r\n");
  await writeAll(connection, encoder.encode("ok"));
  match(await rest(connection), /POST \/ ok/);
});

Deno.test("serveBounded() refuses what is no request, each with its status", async () => {
  await using served = new Served({ maxBody: 10 });
  const cases: readonly (readonly [string, number])[] = [
    ["\r\n\r\n", 400],
    ["hello\r\n\r\n", 400],
    ["GET  /x HTTP/1.1\r\n\r\n", 400],
    ["GET x HTTP/1.1\r\n\r\n", 400],
    ["get /x HTTP/1.1\r\n\r\n", 400],
    ["GET /\x00 HTTP/1.1\r\n\r\n", 400],
    ["TRACE / HTTP/1.1\r\n\r\n", 400],
    ["CONNECT /x HTTP/1.1\r\n\r\n", 400],
    ["GET / HTTP/1.0\r\n\r\n", 505],
    ["GET / HTTP/2.0\r\n\r\n", 505],
    ["GET / HTTP/1.1\r\nno colon\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nname : x\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\na: \x00\r\n\r\n", 400],
    ["POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400],
    ["POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", 400],
    ["POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400],
    ["POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", 413],
    ["POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400],
    ["POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 411],
    [`GET / HTTP/1.1\r\na: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    [`GET /${"x".repeat(20_000)}`, 431],
  ];
  for (const [request, status] of cases) {
    match(
      await served.ask(request),
      new RegExp(`^HTTP/1\\.1 ${status} `),
      JSON.stringify(request.slice(0, 60)),
    );
  }
  deepStrictEqual([served.answered, served.faults], [0, []]);
  match(await served.ask(HEALTH), /200/);
});

Deno.test("serveBounded() passes over a fault of its own, and serves on", async () => {
  const broken = new ReadableStream({ start: (controller) => controller.error(new TypeError("a fault")) });
  let first = true;
  await using served = new Served({}, () => {
    const body = first ? broken : "well";
    first = false;
    return new Response(body);
  });
  ok(!(await served.ask(HEALTH)).endsWith("0\r\n\r\n"), "an answer that is not whole must not end as one");
  match(String(served.faults[0]), /a fault/);
  match(await served.ask(HEALTH), /well/);
});

Deno.test("serveBounded() refuses 100 MB without taking them, and the peer reads why", async () => {
  await using served = new Served({ maxBody: 1000 });
  using connection = await served.connect();
  await writeAll(connection, encoder.encode(`POST / HTTP/1.1\r\nContent-Length: ${100 << 20}\r\n\r\n`));
  const sending = writeAll(connection, new Uint8Array(100 << 20)).catch(() => {});
  match(await rest(connection), /^HTTP\/1\.1 413 /);
  await sending;
});

Deno.test("serveBounded() ends slow headers and slow bodies in their time", async () => {
  await using served = new Served({ maxBody: 1000, requestMs: 200 });
  for (const begin of ["GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n", ""]) {
    using connection = await served.connect();
    const started = performance.now();
    const dribble = setInterval(() => connection.write(encoder.encode("a")).catch(() => {}), 20);
    await connection.write(encoder.encode(begin));
    match(await rest(connection), /^HTTP\/1\.1 408 /, begin);
    clearInterval(dribble);
    ok(performance.now() - started < 5000);
  }
  strictEqual(served.answered, 0);
});

Deno.test("serveBounded() answers at once beside 1,000 idle connections", async () => {
  await using served = new Served({ connections: 64 });
  const idle: Deno.Conn[] = [];
  for (let index = 0; index < 1000; index++) idle.push(await served.connect());
  const started = performance.now();
  match(await served.ask(HEALTH), /200/);
  ok(performance.now() - started < 1000);
  // Most of them have been closed.
  const closed = await Promise.all(idle.slice(0, 900).map((connection) => rest(connection)));
  deepStrictEqual(new Set(closed), new Set([""]));
  for (const connection of idle.slice(900)) connection.close();
});

Deno.test("serveBounded() gives up on a peer that does not take its answer", async () => {
  await using served = new Served({ pieceMs: 100 }, () => new Response("x".repeat(8 << 20)));
  using connection = await served.connect();
  await writeAll(connection, encoder.encode(HEALTH));
  await new Promise((resolve) => setTimeout(resolve, 500));
  ok((await rest(connection)).length < 8 << 20);
});

Deno.test("serveBounded() ends with its signal, whoever is connected", async () => {
  const served = new Served();
  using connection = await served.connect();
  await connection.write(encoder.encode("GET"));
  await served[Symbol.asyncDispose]();
  // Closed with bytes that nobody read, it is reset.
  strictEqual(
    await rest(connection).catch((error) => error instanceof Deno.errors.ConnectionReset ? "" : "other"),
    "",
  );
});
