/**
 * What the cases of this folder share: an installation of its own for each, under the `tracepoint` backend, and how they are run and
 * reported.
 */
import { TemporaryBpffs } from "../../ffi/test_support.ts";
import type { Report } from "../vm/guest/runner.ts";

/** Milliseconds that anything may take; the machine may be busy. */
export const PATIENCE = 30_000;

/** Cases by name. */
export type Cases = Readonly<Record<string, (host: Host) => Promise<void>>>;

/** Why a case cannot be run on this machine. */
export class Skip extends Error {}

/** Runs cases, or those in whose names `only` is, each with a host of its own, and prints a line of JSON for each. */
export async function runCases(
  category: string,
  cases: Cases,
  { agent, only }: { readonly agent: string; readonly only: string },
): Promise<void> {
  for (const [name, run] of Object.entries(cases)) {
    if (!name.includes(only)) continue;
    const started = performance.now();
    const report = (result: Report["result"], reason?: string): Report => ({
      ...{ kernel: "host", lsm: "none", phase: "tracepoint", backend: "tracepoint", category, name, result },
      ...(reason === undefined ? {} : { reason }),
      ms: Math.round(performance.now() - started),
    });
    let outcome: Report;
    try {
      await using host = new Host(agent);
      await run(host);
      outcome = report("pass");
    } catch (error) {
      outcome = error instanceof Skip ? report("skip", error.message) : report("fail", messageOf(error));
    }
    console.log(JSON.stringify(outcome));
  }
}

function messageOf(error: unknown): string {
  // A case that failed, and then its host could not be cleared away.
  if (error instanceof SuppressedError) {
    return `${messageOf(error.suppressed)}; then ${messageOf(error.error)}`;
  }
  return error instanceof Error ? error.message : String(error);
}

const text = new TextDecoder();

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly err: string;
}

/** An installation with at most one agent. */
export class Host implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "aegisbpf-life-" });
  readonly bpffs = new TemporaryBpffs();
  readonly environment: Record<string, string> = {
    AEGISBPF_ROOT: `${this.folder}/root`,
    AEGISBPF_BPFFS: this.bpffs.path,
  };
  readonly policy = `${this.folder}/policy.yaml`;
  readonly secret = `${this.folder}/secret`;
  /** A command that runs the agent. */
  wrapper: readonly string[] = [];
  #child: Deno.ChildProcess | undefined;
  #log = "";
  #logEnd: Promise<void> | undefined;

  /** @param agent Path of `aegisbpf`. */
  constructor(readonly agent: string) {
    Deno.writeTextFileSync(this.secret, "secret");
    this.write(1);
  }

  /** Writes a policy over one file. */
  write(serial: number, paths: readonly string[] = [this.secret], more = "mode: audit\n"): void {
    const rules = `rules:\n  - id: watched\n    paths: ${JSON.stringify(paths)}\n`;
    this.writeText(`version: 1\nname: life\nserial: ${serial}\n${more}${rules}`);
  }

  writeText(policy: string): void {
    Deno.writeTextFileSync(this.policy, policy, { mode: 0o600 });
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** What the running agent has logged. */
  get log(): string {
    return this.#log;
  }

  /** Whether anything is pinned. */
  get pinned(): boolean {
    return [...Deno.readDirSync(this.bpffs.path)].some(({ name }) => name === "aegisbpf");
  }

  /** Names of the folders that pins are in. */
  get schemas(): string[] {
    return [...Deno.readDirSync(`${this.bpffs.path}/aegisbpf`)].map(({ name }) => name);
  }

  /** Starts an agent over the policy file and waits until it says what it does. */
  start(...args: string[]): Promise<void> {
    return this.again("--policy", this.policy, ...args);
  }

  /** Starts an agent over what the one before it left and waits until it says what it does. */
  async again(...args: string[]): Promise<void> {
    const child = this.#command("run", "--backend", "tracepoint", ...args).spawn();
    this.#child = child;
    this.#log = "";
    this.#logEnd = this.#keepLog(child.stderr);
    await this.until(
      () => /: (\d+ rules of .*|no policy yet).*pid \d+/.test(this.#log),
      "the agent to say that it runs",
    );
    await this.until(async () => (await this.ask("stats")).code === 0, "the agent to answer");
  }

  /** Runs a command to its end. */
  async ask(...args: string[]): Promise<Ended & { readonly out: string }> {
    const { code, stdout, stderr } = await this.#command(...args).output();
    return { code, out: text.decode(stdout), err: text.decode(stderr) };
  }

  /** Runs an agent that does not come up. */
  async refused(...args: string[]): Promise<Ended> {
    const { code, err } = await this.ask("run", "--policy", this.policy, "--events", "off", ...args);
    return { code, err };
  }

  signal(signal: Deno.Signal): void {
    this.#child?.kill(signal);
  }

  /** Ends the agent; gives its exit code. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    const child = this.#child;
    if (child === undefined) return 0;
    this.#child = undefined;
    try {
      child.kill(signal);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
    const { code } = await child.status;
    clearTimeout(timer);
    await child.stdout.cancel();
    await this.#logEnd;
    return code;
  }

  /** Waits until the agent has ended by itself. */
  async died(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await child?.status;
    await child?.stdout.cancel();
    await this.#logEnd;
  }

  async until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const end = Date.now() + PATIENCE;
    while (!await holds()) {
      if (Date.now() > end) throw new Error(`Waited too long for ${what}: ${this.#log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
    this.bpffs[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }

  #command(...args: string[]): Deno.Command {
    const [command = "", ...rest] = [...this.wrapper, this.agent, ...args];
    return new Deno.Command(command, {
      args: rest,
      env: this.environment,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  async #keepLog(stderr: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stderr) this.#log += text.decode(chunk, { stream: true });
  }
}
