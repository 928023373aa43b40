/**
 * Starts the process that tries ways round a rule, in a scratch cgroup, and asks it.
 *
 * @module
 */
import { cgroupRoot } from "../kernel/host.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import { CommandError } from "./failure.ts";
import { ATTEMPT_COMMAND, type AttemptAnswer, type AttemptOrder } from "./prove_attempt.ts";

/** How this program is started again. */
export function ownCommand(): readonly string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  return [Deno.execPath(), "run", "--quiet", "--allow-all", "--no-check", Deno.mainModule];
}

/** A cgroup for one run, removed when it is disposed of. */
export class ScratchCgroup implements AsyncDisposable {
  /** Path below the cgroup2 root. */
  readonly path: string = `/aegisbpf-prove-${crypto.randomUUID().slice(0, 8)}`;
  /** Its directory. */
  readonly folder: string;

  /** @throws {CommandError} with `Usage` where no cgroup can be made. */
  constructor(root: string | undefined = cgroupRoot()) {
    if (root === undefined) throw new CommandError(ExitCode.Usage, "no cgroup2 hierarchy is mounted");
    this.folder = `${root}${this.path}`;
    try {
      Deno.mkdirSync(this.folder);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new CommandError(
        ExitCode.Usage,
        `cannot make the cgroup ${this.folder}: ${reason}; run this as root`,
      );
    }
  }

  /** Processes that have ended leave their cgroup a moment later. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
      try {
        return Deno.removeSync(this.folder);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return;
        await new Promise((resolve) => setTimeout(resolve, REMOVE_PAUSE_MS));
      }
    }
  }
}

/** The process in the cgroup. */
export class Attempter implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /**
   * Starts it and waits until it is in the cgroup.
   *
   * @throws {CommandError} with `Usage` if it does not get there.
   */
  static async start(cgroup: ScratchCgroup, command: readonly string[] = ownCommand()): Promise<Attempter> {
    const [program = "", ...args] = command;
    const child = new Deno.Command(program, {
      args: [...args, ATTEMPT_COMMAND, cgroup.folder],
      stdin: "piped",
      stdout: "piped",
      // ld.so and refused programs say there what is no message for whoever runs prove.
      stderr: "null",
    }).spawn();
    const attempter = new Attempter(child);
    const ready = await attempter.#answer(START_MS);
    if (ready?.through) return attempter;
    await attempter[Symbol.asyncDispose]();
    throw new CommandError(ExitCode.Usage, `cannot run a process in the cgroup ${cgroup.folder}`);
  }

  /** Tries one way. A process that ended or hangs is an answer too: that it cannot be told. */
  async try(order: AttemptOrder): Promise<AttemptAnswer> {
    try {
      await this.#input.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
    } catch {
      return { through: false, step: "attempt", code: "the process that tries has ended" };
    }
    const answer = await this.#answer(ANSWER_MS);
    if (answer !== undefined) return answer;
    this.end();
    return { through: false, step: "attempt", code: "no answer" };
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    this.end();
    await this.#output.cancel().catch(() => {});
    await this.#child.status;
  }

  /** Ends the process at once; what is asked of it afterwards cannot be told. */
  end(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async #answer(timeoutMs: number): Promise<AttemptAnswer | undefined> {
    const timer = setTimeout(() => this.end(), timeoutMs);
    try {
      for (;;) {
        const end = this.#rest.indexOf("\n");
        if (end >= 0) {
          const line = this.#rest.slice(0, end);
          this.#rest = this.#rest.slice(end + 1);
          return JSON.parse(line);
        }
        const { value, done } = await this.#output.read();
        if (done) return undefined;
        this.#rest += value;
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Under emulation the start of a process takes seconds. */
const START_MS = 60_000;
const ANSWER_MS = 20_000;
const REMOVE_ATTEMPTS = 100;
const REMOVE_PAUSE_MS = 20;
