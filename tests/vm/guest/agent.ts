/** Starts, asks, kills and clears away the agent under test, by its command line only. */

import { Failure, Skip } from "./case.ts";

/** What one command printed and how it ended. */
export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const text = new TextDecoder();

/** The agent under test. At most one runs at a time. */
export class Agent {
  #child: Deno.ChildProcess | undefined;
  #log: string;
  #root: string;
  #pins: string;

  /**
   * @param program Path of `aegisbpf`
   * @param directory Where logs are kept
   * @param environment What the agent and its commands get besides this process's environment
   * @param limit Milliseconds in which it must answer, and its commands must end; what takes longer hangs
   */
  constructor(
    readonly program: string,
    directory: string,
    readonly environment: Record<string, string> = {},
    readonly limit = 60_000,
  ) {
    this.#log = `${directory}/agent.log`;
    this.#root = environment.AEGISBPF_ROOT ?? "";
    this.#pins = `${environment.AEGISBPF_BPFFS ?? "/sys/fs/bpf"}/aegisbpf`;
  }

  /** Where the pins are. */
  get pins(): string {
    return this.#pins;
  }

  /** Whether one was started and not ended. */
  get runs(): boolean {
    return this.#child !== undefined;
  }

  /** @throws {Failure} when no agent runs */
  get pid(): number {
    if (!this.#child) throw new Failure("No agent runs");
    return this.#child.pid;
  }

  /**
   * Starts `aegisbpf run` and waits until it answers.
   *
   * @throws {Failure} with the end of its log when it ends or does not answer in time
   */
  async start(...args: string[]): Promise<void> {
    if (this.#child) throw new Failure("An agent runs already");
    const log = Deno.openSync(this.#log, { write: true, create: true, append: true });
    // Through a shell, because Deno cannot give a child an open file.
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", 'exec "$0" run "$@" >>"$LOG" 2>&1', this.program, ...args],
      env: { ...this.environment, LOG: this.#log },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    log.close();
    this.#child = child;
    const before = performance.now();
    let ended: number | undefined;
    child.status.then((status) => ended = status.code);
    const end = Date.now() + this.limit;
    while (!(await this.#answers())) {
      if (ended !== undefined || Date.now() > end) {
        if (ended === undefined) await this.kill();
        this.#child = undefined;
        throw new Failure(`The agent did not start (${ended ?? "no answer"}): ${this.log()}`);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
    this.#note(`run: answers after ${Math.round(performance.now() - before)} ms`);
  }

  /** Runs one command and waits for its end. */
  async run(...args: string[]): Promise<Answer> {
    return await this.runFor(this.limit, ...args);
  }

  /** Runs one command for at most `limit` milliseconds, then kills it. */
  async runFor(limit: number, ...args: string[]): Promise<Answer> {
    const child = new Deno.Command(this.program, {
      args,
      env: this.environment,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), limit);
    const before = performance.now();
    const done = await child.output();
    clearTimeout(timer);
    this.#note(
      `${args.slice(0, 3).join(" ")}: exit ${done.code} after ${Math.round(performance.now() - before)} ms`,
    );
    return { code: done.code, stdout: text.decode(done.stdout), stderr: text.decode(done.stderr) };
  }

  /**
   * Runs a command that must end with `code` and print JSON.
   *
   * @throws {Failure} otherwise, with what it printed
   */
  // deno-lint-ignore no-explicit-any -- answers differ by command; cases look at the fields they know
  async json(code: number, ...args: string[]): Promise<any> {
    const answer = await this.expect(code, ...args);
    try {
      return JSON.parse(answer.stdout);
    } catch {
      throw new Failure(`${args.join(" ")} printed no JSON: ${answer.stdout.slice(0, 300)}`);
    }
  }

  /**
   * Asks `health --json` until it says yes: an emulated machine at its limit does not answer within the second that
   * health waits.
   *
   * @param within Milliseconds to go on asking
   * @returns the last answer
   */
  // deno-lint-ignore no-explicit-any -- as for json()
  async asked(within: number, ...options: string[]): Promise<{ code: number; health: any }> {
    const end = Date.now() + within;
    for (;;) {
      const { code, stdout } = await this.run("health", "--json", ...options);
      // It prints nothing where it cannot tell.
      const health = JSON.parse(stdout.trim() || "{}");
      if (code === 0 || onlySkips(health) || Date.now() > end) return { code, health };
    }
  }

  /**
   * What the running agent says of the kernel's counters, asked over its socket: a command takes a second here.
   *
   * @throws {TypeError} when it does not answer
   */
  // deno-lint-ignore no-explicit-any -- as for json()
  async stats(by: string): Promise<any> {
    const path = `${this.#root}/run/aegisbpf/control.sock`;
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    const answer = await fetch(`http://localhost/v1/stats?by=${by}`, { client });
    return await answer.json();
  }

  /**
   * Holds what opens of a denied file came to, while others ran beside them, against what must be.
   *
   * @throws {Skip} where some went through and health says that the kernel skipped decisions
   * @throws {Failure} where some went through otherwise
   */
  async refusedAll(result: string): Promise<void> {
    if (/^EPERM=\d+$/.test(result)) return;
    const { health } = await this.asked(8000);
    if (skips(health)) throw new Skip(PREEMPTED);
    throw new Failure(`opens during all this: ${result}`);
  }

  /**
   * Waits for `health --json` to say yes, for at most half a minute.
   *
   * @throws {Failure} with the last answer
   */
  // deno-lint-ignore no-explicit-any -- as for json()
  async health(...options: string[]): Promise<any> {
    const { code, health } = await this.asked(30_000, ...options);
    if (code !== 0 && onlySkips(health)) throw new Skip(PREEMPTED);
    if (code !== 0) throw new Failure(`health ${options.join(" ")}: exit ${code}: ${JSON.stringify(health)}`);
    return health;
  }

  /**
   * Runs a command that must end with `code`.
   *
   * @throws {Failure} otherwise, with what it printed
   */
  async expect(code: number, ...args: string[]): Promise<Answer> {
    const answer = await this.run(...args);
    if (answer.code !== code) {
      throw new Failure(
        `${args.join(" ")}: exit ${code} expected, got ${answer.code}: ${
          (answer.stderr + answer.stdout).slice(0, 2000)
        }`,
      );
    }
    return answer;
  }

  /** Kills the agent with SIGKILL and waits for its end. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Asks the agent to stop and waits for its end. */
  async stop(): Promise<number> {
    return await this.#end("SIGTERM");
  }

  /** Stops the agent if one runs and takes its pins and its memory of policies away. */
  async clear(): Promise<void> {
    if (this.#child) await this.kill();
    for (const path of [this.#pins, `${this.#root}/var/lib/aegisbpf`, `${this.#root}/run/aegisbpf`]) {
      try {
        Deno.removeSync(path, { recursive: true });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  /** The last `bytes` of what the agents printed. */
  log(bytes = 2000): string {
    try {
      return Deno.readTextFileSync(this.#log).slice(-bytes);
    } catch {
      return "";
    }
  }

  #note(line: string): void {
    Deno.writeTextFileSync(this.#log, `[${line}]\n`, { append: true });
  }

  async #end(signal: Deno.Signal): Promise<number> {
    const child = this.#child;
    if (!child) throw new Failure("No agent runs");
    this.#child = undefined;
    try {
      child.kill(signal);
    } catch {
      // it has ended by itself
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    const { code } = await child.status;
    clearTimeout(timer);
    return code;
  }

  async #answers(): Promise<boolean> {
    try {
      using _socket = await Deno.connect({
        transport: "unix",
        path: `${this.#root}/run/aegisbpf/control.sock`,
      });
      return true;
    } catch {
      return false;
    }
  }
}

/** The kernel's reason; see docs/coverage.md. */
export const PREEMPTED = "the kernel skips a fmod_ret program in which another task was preempted";

// deno-lint-ignore no-explicit-any -- as for json()
function failed(health: any): string[] {
  return (health.checks ?? []).filter((one: { ok: boolean }) => !one.ok).map((one: { name: string }) =>
    one.name
  );
}

/** Whether health says that the kernel skipped decisions, which no kernel does to `lsm` programs since 6.2. */
// deno-lint-ignore no-explicit-any -- as for json()
function skips(health: any): boolean {
  return health.backend !== "lsm" && failed(health).includes("skipped");
}

// deno-lint-ignore no-explicit-any -- as for json()
function onlySkips(health: any): boolean {
  return skips(health) && failed(health).length === 1;
}
