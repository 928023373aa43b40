/**
 * What the tests of this folder share: a captured output, an installation in a temporary folder, an agent of a few lines.
 *
 * @module
 */
import { libc } from "../../ffi/libc.ts";
import { Buffer } from "node:buffer";
import type { HealthReport } from "../agent/api.ts";
import { type ExitCode, ExitCode as Code } from "../agent/exit_codes.ts";
import { type Locations, locations } from "../agent/locations.ts";
import { runCommandLine } from "./command_line.ts";
import type { Context } from "./context.ts";
import { styleOf } from "./output.ts";

// It stays open until the process ends; opened within a test it would count as a leak of that test.
libc();

/** An installation below a temporary folder, with what its commands print. */
export class TestHost implements Disposable {
  readonly root: string = Deno.makeTempDirSync({ prefix: "aegisbpf-cli-" });
  readonly places: Locations = locations({ AEGISBPF_ROOT: this.root, AEGISBPF_BPFFS: `${this.root}/bpffs` });
  /** What was written to standard output. */
  out = "";
  /** What was written to standard error. */
  err = "";
  readonly context: Context = {
    output: {
      out: (data) => {
        this.out += typeof data === "string" ? data : new TextDecoder().decode(data);
      },
      err: (line) => {
        this.err += `${line}\n`;
      },
      style: styleOf(false),
      columns: undefined,
      closed: false,
    },
    locations: () => this.places,
    exit: Code.Done,
  };

  constructor() {
    Deno.mkdirSync(this.places.run, { recursive: true });
  }

  /** Runs a command line given as text without quotes. */
  run(line: string): Promise<ExitCode> {
    this.out = this.err = "";
    this.context.exit = Code.Done;
    return runCommandLine(line === "" ? [] : line.split(" "), this.context);
  }

  /** Writes a file with mode 0600; gives its path. */
  file(name: string, text: string): string {
    const path = `${this.root}/${name}`;
    Deno.writeTextFileSync(path, text, { mode: 0o600 });
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** What the agent was asked. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

/** Answers at the host's control socket. */
export class FakeAgent implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly #server: Deno.HttpServer<Deno.UnixAddr>;

  /** @param answer A value to be sent as JSON, or a response. */
  constructor(host: TestHost, answer: (asked: Asked) => unknown) {
    const path = host.places.socket;
    this.#server = Deno.serve({ path, onListen: () => {} }, async (request) => {
      const url = new URL(request.url);
      const asked = {
        method: request.method,
        path: `${url.pathname}${url.search}`,
        body: await request.text(),
      };
      this.asked.push(asked);
      const answered = await answer(asked);
      return answered instanceof Response ? answered : Response.json(answered);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    // The runtime leaves it there, as an agent that was killed does.
    Deno.removeSync(this.#server.addr.path);
  }
}

/** A refusal as the agent sends it. */
export function refusal(exit: number, message: string, problems?: unknown): Response {
  return Response.json({ error: { exit, message, ...(problems ? { problems } : {}) } }, { status: 422 });
}

/** A healthy report, with changes. */
export function healthReport(changes: Partial<HealthReport> = {}): HealthReport {
  return {
    ok: true,
    posture: "enforce",
    backend: "lsm",
    reasons: [],
    checks: [{ name: "links", ok: true, detail: "1 attached by lsm" }],
    policy: { name: "web-tier", serial: 7, sha256: "ab".repeat(32), signer: null, rules: 12, waiting: 3 },
    agent: { pid: 4711, version: "1.0.0", uptime_s: 7384, heartbeat_age_s: 0.4 },
    kernel: { release: "6.1.0", lsm: ["capability", "bpf"] },
    canary: "/run/aegisbpf/canary",
    ...changes,
  };
}

/** A valid policy with two rules, three paths and an inode. */
export const POLICY = `version: 1
name: web-tier
serial: 7
rules:
  - id: tls-keys
    paths: [/srv/tls/key, /srv/tls/cert]
  - id: data
    paths: [/srv/data]
    inodes: ["8:1:131074"]
    mode: audit
`;

/** The text as bytes in base64, as a policy is sent. */
export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
