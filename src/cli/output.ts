/**
 * Where the command line writes: results to standard output, diagnostics to standard error, colour only for people.
 *
 * @module
 */

import { printable } from "../events/text.ts";

export { printable };

/** Text in a colour, or as it is where colour is not wanted. */
export type Paint = (text: string) => string;

/** The looks that are used. */
export interface Style {
  readonly good: Paint;
  readonly doubtful: Paint;
  readonly bad: Paint;
  readonly heading: Paint;
}

/** The two streams of a command. */
export interface Output {
  /** Writes a result; nothing is added to it. */
  out(data: string | Uint8Array): void;
  /** Writes one line of diagnostics. */
  err(line: string): void;
  /** For what goes to standard output. */
  readonly style: Style;
  /** Columns of the terminal that standard output is, if it is one. */
  readonly columns: number | undefined;
  /** Whether the reader of standard output has gone away: nothing more needs to be written. */
  readonly closed: boolean;
}

/** The style of a stream: plain unless `colour`. */
export function styleOf(colour: boolean): Style {
  const paint = (code: number): Paint => colour ? (text) => `\x1b[${code}m${text}\x1b[0m` : (text) => text;
  return { good: paint(32), doubtful: paint(33), bad: paint(31), heading: paint(1) };
}

/** The result could not be written: the disk is full, for example. */
export class OutputError extends Error {
  override readonly name = "OutputError";
}

/** This process's own streams. */
export function processOutput(): Output {
  const isTerminal = Deno.stdout.isTerminal();
  const noColour = Deno.env.get("NO_COLOR") ?? "";
  let closed = false;
  return {
    out: (data) => {
      closed = !writeAll(Deno.stdout, typeof data === "string" ? encoder.encode(data) : data);
    },
    get closed() {
      return closed;
    },
    err: (line) => writeAll(Deno.stderr, encoder.encode(`${line}\n`)),
    style: styleOf(isTerminal && noColour === "" && Deno.env.get("TERM") !== "dumb"),
    columns: isTerminal ? Deno.consoleSize().columns || undefined : undefined,
  };
}

/** A value as the JSON that commands print. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Prints the agent's answer to a request: its warnings as diagnostics, and itself as JSON or in words. */
export function printAnswer(
  { out, err }: Output,
  answer: { readonly warnings: readonly string[] },
  text: string,
  json: boolean | undefined,
): void {
  for (const warning of answer.warnings) err(`aegisbpf: warning: ${printable(warning)}`);
  out(json ? jsonText(answer) : text);
}

/** `1 rule`, `2 rules`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

interface SyncWriter {
  writeSync(bytes: Uint8Array): number;
}

const encoder = new TextEncoder();
/** The other end of a pipe that was made non-blocking gets this much time for each wait, milliseconds. */
const RETRY_MS = 5;

/**
 * Writes all of it. A reader that has gone away, as `head` does, is no error: it has what it wanted.
 *
 * @returns Whether the reader is still there.
 * @throws {OutputError} if it cannot be written.
 */
export function writeAll(stream: SyncWriter, bytes: Uint8Array): boolean {
  for (let written = 0; written < bytes.length;) {
    try {
      written += stream.writeSync(bytes.subarray(written));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return false;
      if (!(error instanceof Deno.errors.WouldBlock)) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new OutputError(`cannot write the result: ${reason}`, { cause: error });
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
  return true;
}
