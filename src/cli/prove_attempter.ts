/**
 * Starts the process that tries ways round a rule, in a scratch cgroup, and asks it.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import { CommandError } from "./failure.ts";
import { ATTEMPT_COMMAND, type AttemptAnswer, type AttemptOrder } from "./prove_attempt.ts";
import type { ScratchCgroup } from "./prove_cgroup.ts";

/** How this program is started again. */
export function ownCommand(): readonly string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  return [Deno.execPath(), "run", "--quiet", "--allow-all", "--no-check", Deno.mainModule];
}

/** The process in the cgroup. */
export class Attempter implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #cgroup: string;
  #ready: Promise<AttemptAnswer | undefined>;
  #rest = "";

  /** Starts it; others go on meanwhile. */
  constructor({ folder }: Pick<ScratchCgroup, "folder">, command: readonly string[] = ownCommand()) {
    const [program = "", ...args] = command;
    this.#cgroup = folder;
    this.#child = new Deno.Command(program, {
      args: [...args, ATTEMPT_COMMAND, folder],
      stdin: "piped",
      stdout: "piped",
      // ld.so and refused programs say there what is no message for whoever runs prove.
      stderr: "null",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#ready = this.#answer(START_MS);
  }

  /**
   * Waits until it is in the cgroup.
   *
   * @throws {CommandError} with `Usage` if it does not get there.
   */
  async ready(): Promise<void> {
    if ((await this.#ready)?.through) return;
    throw new CommandError(ExitCode.Usage, `cannot run a process in the cgroup ${this.#cgroup}`);
  }

  /**
   * Tries ways, one after the other, and answers for each. Of a process that ends or hangs the answer is that it cannot
   * be told. All are asked for at once: under emulation it takes longer to go back and forth than to try.
   */
  async try(orders: readonly AttemptOrder[]): Promise<AttemptAnswer[]> {
    const lines = orders.map((order) => `${JSON.stringify(order)}\n`).join("");
    // Not waited for: the process reads on while its answers are read.
    this.#input.write(new TextEncoder().encode(lines)).catch(() => {});
    const answers: AttemptAnswer[] = [];
    for (const _order of orders) {
      const answer = await this.#answer(ANSWER_MS);
      if (answer === undefined) this.end();
      answers.push(answer ?? { through: false, step: "attempt", code: "the process that tries has ended" });
    }
    return answers;
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    await this.#ready;
    await this.#input.close().catch(() => {});
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
