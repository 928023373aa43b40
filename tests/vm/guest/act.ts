/**
 * Runs `act`, the program that tries one file operation as a workload would (see ../act/act.c).
 *
 * The results are its lines: `ok`, an errno's name, `exit N`, `signal N`, a report, or `setup STEP ERRNO`.
 */

import { Failure } from "./case.ts";

/** The words of one `act` operation: options, the operation's name, its arguments. */
export type Words = readonly string[];

const text = new TextDecoder();

/** Runs `act` programs from one place. */
export class Act {
  /** @param program Path of the executable */
  constructor(readonly program: string) {}

  /**
   * Tries one operation.
   *
   * @returns its result line
   * @throws {Failure} when `act` was called wrongly or printed nothing
   */
  one(...words: string[]): string {
    return this.all([words])[0] ?? "";
  }

  /** Tries several operations in one run of `act`, one after another; as many result lines. */
  all(operations: readonly Words[]): string[] {
    const done = new Deno.Command(this.program, { args: join(operations), stdin: "null" }).outputSync();
    return lines(operations, text.decode(done.stdout), text.decode(done.stderr));
  }

  /** Tries one operation beside the caller, which may try others meanwhile. */
  async beside(...words: string[]): Promise<string> {
    const done = await new Deno.Command(this.program, { args: words, stdin: "null" }).output();
    return lines([words], text.decode(done.stdout), text.decode(done.stderr))[0] ?? "";
  }

  /** Repeats an operation beside the caller until told to stop, to find gaps; each millisecond. */
  repeat(...words: string[]): Repetition {
    const flag = Deno.makeTempFileSync();
    Deno.removeSync(flag);
    const args = ["--until", flag, ...words];
    const output = new Deno.Command(this.program, { args, stdin: "null", stdout: "piped", stderr: "piped" })
      .output();
    const end = (): void => Deno.writeTextFileSync(flag, "");
    return {
      stop: async () => {
        end();
        const done = await output;
        return lines([args], text.decode(done.stdout), text.decode(done.stderr))[0] ?? "";
      },
      [Symbol.dispose]: end,
    };
  }
}

/** An operation that repeats itself until it is stopped or its variable goes out of scope. */
export interface Repetition extends Disposable {
  /** Stops it and answers how often it ended how: `ok=3 EPERM=7`. */
  stop(): Promise<string>;
}

function join(operations: readonly Words[]): string[] {
  return operations.flatMap((words, i) => (i ? ["--", ...words] : [...words]));
}

function lines(operations: readonly Words[], stdout: string, stderr: string): string[] {
  const results = stdout.split("\n").filter((line) => line !== "");
  if (stderr !== "" || results.length !== operations.length) {
    throw new Failure(
      `act ${join(operations).join(" ")}: ${operations.length} results expected, got ${
        JSON.stringify(results)
      } ${stderr.slice(0, 300)}`,
    );
  }
  return results;
}
