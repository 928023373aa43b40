import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { request } from "node:http";
import type { Agent } from "./agent.ts";
import { serveControl } from "./control_server.ts";
import { OneWriter } from "./one_writer.ts";
import { Refusal } from "./refusal.ts";
import "../../ffi/test_support.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
  // deno-lint-ignore no-explicit-any -- tests look at the fields they expect
  readonly json: any;
}

/** A control socket over an agent of a few lines. */
class Served implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "aegisbpf-control-" });
  readonly path = `${this.folder}/control.sock`;
  readonly applied: unknown[] = [];
  readonly logged: string[] = [];
  readonly #abort = new AbortController();
  readonly #server;

  constructor(agent: Partial<Record<keyof Agent, unknown>> = {}) {
    const fake = {
      health: () => ({ ok: true }),
      policy: () => null,
      policySource: () => new TextEncoder().encode("version: 1\n"),
      stats: (by?: string) => ({ by: by ?? null }),
      apply: (body: unknown) => {
        this.applied.push(body);
        return { applied: true };
      },
      log: (line: string) => this.logged.push(line),
      writer: new OneWriter(),
      ...agent,
    };
    this.#server = serveControl(fake as unknown as Agent, this.path, this.#abort.signal);
  }

  ask(method: string, path: string, body?: string | Uint8Array): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.path, method, path, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = response.headers["content-type"] === "application/json";
          resolve({
            status: response.statusCode ?? 0,
            body: text,
            json: isJson ? JSON.parse(text) : undefined,
          });
        });
      });
      asked.on("error", reject);
      asked.end(body);
    });
  }

  apply(body: unknown): Promise<Answer> {
    return this.ask("POST", "/v1/policy/apply", JSON.stringify(body));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#server.finished;
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("serveControl() answers each question of the interface", async () => {
  await using served = new Served();
  deepStrictEqual((await served.ask("GET", "/v1/health")).json, { ok: true });
  strictEqual((await served.ask("GET", "/v1/policy")).body, "null");
  strictEqual((await served.ask("GET", "/v1/policy/source")).body, "version: 1\n");
  deepStrictEqual((await served.ask("GET", "/v1/stats")).json, { by: null });
  deepStrictEqual((await served.ask("GET", "/v1/stats?by=cgroup")).json, { by: "cgroup" });
});

Deno.test("serveControl() hands a policy on as the bytes that were sent", async () => {
  await using served = new Served();
  const source = Buffer.from([0, 0xff, 10]).toString("base64");
  strictEqual((await served.apply({ source, file: "p.yaml", force: true })).status, 200);
  deepStrictEqual(served.applied, [
    { source, file: "p.yaml", force: true, dry_run: false, bytes: Uint8Array.of(0, 0xff, 10) },
  ]);
});

Deno.test("serveControl() lets only the owner at its socket, and takes over a stale one", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-control-" });
  const abort = new AbortController();
  try {
    const path = `${folder}/control.sock`;
    Deno.writeTextFileSync(path, "");
    const server = serveControl({} as Agent, path, abort.signal);
    const { mode, isSocket } = Deno.statSync(path);
    deepStrictEqual([(mode ?? 0) & 0o777, isSocket], [0o600, true]);
    abort.abort();
    await server.finished;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("serveControl() refuses what is not JSON, or not of its types", async () => {
  await using served = new Served();
  const bodies = [
    "",
    "{",
    "null",
    "5",
    '"text"',
    "[]",
    "{}",
    '{"source": "", "file": 5}',
    '{"source": 5, "file": "p"}',
    '{"source": "", "file": "p", "force": "yes"}',
    '{"source": "", "file": "p", "dry_run": 1}',
    '{"source": "*no base64*", "file": "p"}',
    Uint8Array.of(0xff, 0xfe),
  ];
  for (const body of bodies) {
    const { status, json } = await served.ask("POST", "/v1/policy/apply", body);
    deepStrictEqual([status, json?.error.exit], [400, 2], String(body));
    match(json.error.message, /^Expected /);
  }
  deepStrictEqual([served.applied, served.logged], [[], []]);
});

Deno.test("serveControl() refuses a body that is too large, and serves on", async () => {
  await using served = new Served();
  const { status, json } = await served.ask("POST", "/v1/policy/apply", new Uint8Array((12 << 20) + 1))
    .catch((error: NodeJS.ErrnoException) => {
      // It may be refused before all of it was taken.
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") throw error;
      return { status: 413, json: { error: { exit: 2, message: "at most" } } };
    });
  deepStrictEqual([status, json.error.exit], [413, 2]);
  match(json.error.message, /at most/);
  strictEqual((await served.ask("GET", "/v1/health")).status, 200);
});

Deno.test("serveControl() says that there is no such route, or not by that method", async () => {
  await using served = new Served();
  for (
    const [method, path] of [
      ["GET", "/"],
      ["GET", "/v2/health"],
      ["GET", "/v1/health/"],
      ["GET", "/constructor"],
      ["GET", "/__proto__"],
    ] as const
  ) {
    const { status, json } = await served.ask(method, path);
    deepStrictEqual([status, json?.error.exit], [404, 2], `${method} ${path}`);
  }
  for (
    const [method, path, other] of [
      ["POST", "/v1/health", "GET"],
      ["GET", "/v1/policy/apply", "POST"],
      ["DELETE", "/v1/policy", "GET"],
    ] as const
  ) {
    const { status, json } = await served.ask(method, path);
    deepStrictEqual([status, json?.error.exit], [405, 2], `${method} ${path}`);
    match(json.error.message, new RegExp(`only ${other}$`));
  }
});

Deno.test("serveControl() refuses a key of stats that there is not, and names those that there are", async () => {
  await using served = new Served();
  for (const by of ["", "uid", "Rule", "constructor"]) {
    const { status, json } = await served.ask("GET", `/v1/stats?by=${by}`);
    deepStrictEqual([status, json.error.exit], [400, 2], by);
    match(json.error.message, /rule, cgroup, inode, path/);
  }
});

Deno.test("serveControl() passes a refusal on with its exit code and problems", async () => {
  const problem = { file: "p.yaml", line: 3, column: 1, path: "rules", message: "wrong" };
  await using served = new Served({
    apply: () => {
      throw new Refusal(4, "p.yaml is not a valid policy: 1 problem", [problem]);
    },
    policySource: () => {
      throw new Refusal(1, "No policy is in force");
    },
  });
  const invalid = await served.apply({ source: "", file: "p" });
  deepStrictEqual([invalid.status, invalid.json], [422, {
    error: { exit: 4, message: "p.yaml is not a valid policy: 1 problem", problems: [problem] },
  }]);
  const none = await served.ask("GET", "/v1/policy/source");
  deepStrictEqual([none.status, none.json], [422, { error: { exit: 1, message: "No policy is in force" } }]);
});

Deno.test("serveControl() answers and logs a fault of its own, and serves on", async () => {
  await using served = new Served({
    health: () => {
      throw new TypeError("a fault");
    },
  });
  const { status, json } = await served.ask("GET", "/v1/health");
  deepStrictEqual([status, json.error], [500, { exit: 70, message: "a fault" }]);
  ok(served.logged.some((line) => line.includes("GET /v1/health") && line.includes("a fault")));
  strictEqual((await served.ask("GET", "/v1/stats")).status, 200);
});

Deno.test(
  "serveControl() turns another user away, and serves root on",
  { ignore: Deno.uid() !== 0 },
  async () => {
    await using served = new Served();
    // What keeps others out first, the modes, is taken away for this.
    Deno.chmodSync(served.folder, 0o755);
    Deno.chmodSync(served.path, 0o666);
    const script =
      `use Socket; $SIG{PIPE} = "IGNORE"; socket S, AF_UNIX, SOCK_STREAM, 0; connect S, sockaddr_un(shift) or die $!;
      syswrite S, shift() . " HTTP/1.1\\r\\n\\r\\n"; local $/; print "answered: ", <S>`;
    for (const request of ["GET /v1/health", "nonsense"]) {
      const { stdout } = await new Deno.Command("/usr/bin/perl", {
        args: ["-e", script, served.path, request],
        cwd: "/",
        uid: 65534,
        gid: 65534,
      }).output();
      strictEqual(new TextDecoder().decode(stdout), "answered: ");
    }
    strictEqual(served.logged.length, 1);
    match(served.logged[0] ?? "", /^turned away from the control socket: uid 65534, pid \d+$/);
    strictEqual((await served.ask("GET", "/v1/health")).status, 200);
  },
);
