/**
 * The highest serial that was ever accepted, below which no new policy is. It is kept in a file, in the kernel beside
 * the pins, and follows from the history; the highest of them holds, and a difference is reported. Nothing of it rests
 * on a clock.
 *
 * @module
 */
import type { Anchor } from "../kernel/anchor.ts";
import { readIfThere, setAside, writeDurably } from "./durable_file.ts";
import type { HistoryEntry } from "./history_chain.ts";
import { Refusal } from "./refusal.ts";

/** A serial and the SHA-256 of the policy that has it; serial 0 before the first. */
export interface HighWater {
  readonly serial: number;
  readonly sha256: string;
}

/** A policy that is about to be accepted. */
export interface Candidate extends HighWater {
  /** For messages. */
  readonly file: string;
}

/** Holds the mark. */
export class HighWaterMark {
  /** What was wrong when it was opened; one line each. */
  readonly problems: readonly string[];
  readonly #path: string;
  readonly #anchor: Anchor | undefined;
  #mark: HighWater;

  /**
   * @param state The state folder, which exists.
   * @param history What was accepted, as the history has it.
   */
  constructor(state: string, anchor: Anchor | undefined, history: readonly HistoryEntry[]) {
    this.#path = `${state}/serial.json`;
    this.#anchor = anchor;
    const stored = readMark(this.#path);
    const inKernel = anchor?.read() ?? NONE;
    const inHistory = highestOf(history);
    const inFile = typeof stored === "object" ? stored : NONE;
    const highest = [inFile, inKernel, inHistory].reduce((high, mark) =>
      mark.serial > high.serial ? mark : high
    );
    this.#mark = { serial: highest.serial, sha256: highest.sha256 };
    const problems: string[] = [];
    if (stored === "damaged") {
      problems.push(`${this.#path} is damaged; it is kept as ${setAside(this.#path)}`);
    }
    // The file is written first: what is higher elsewhere was in it.
    if (highest.serial > inFile.serial) {
      const what = stored === "missing" ? "is missing" : `knows ${inFile.serial}`;
      const who = inKernel.serial === highest.serial ? "the kernel" : "the history";
      problems.push(`${this.#path} ${what}, but ${who} knows serial ${highest.serial}, which holds`);
    }
    if (history.length === 0 && highest.serial > 0) {
      problems.push(`serial ${highest.serial} was accepted, but the history is empty`);
    }
    this.problems = problems;
    if (highest.serial > 0) this.#keep(this.#mark);
  }

  /** The highest serial that was accepted; 0 before the first. */
  get serial(): number {
    return this.#mark.serial;
  }

  /**
   * Holds a new policy against the mark.
   *
   * @throws {Refusal} 5 if its serial is lower, or the same with other content.
   */
  check({ serial, sha256, file }: Candidate): void {
    const mark = this.#mark;
    if (serial < mark.serial) {
      throw new Refusal(
        5,
        `${file} has serial ${serial}, lower than ${mark.serial}, the highest that was accepted: raise the serial, ` +
          `or go back with aegisbpf policy rollback --to ${serial}`,
      );
    }
    if (serial === mark.serial && sha256 !== mark.sha256) {
      throw new Refusal(
        5,
        `${file} has serial ${serial} like a policy that was accepted, but other content: raise the serial`,
      );
    }
  }

  /** Accepts a policy: from now on lower serials are refused. It is on disk before this returns. */
  raise({ serial, sha256 }: HighWater): void {
    if (serial <= this.#mark.serial) return;
    this.#keep({ serial, sha256 });
    this.#mark = { serial, sha256 };
  }

  #keep({ serial, sha256 }: HighWater): void {
    const text = JSON.stringify({ serial, sha256 }) + "\n";
    const before = readIfThere(this.#path);
    if (before === undefined || new TextDecoder().decode(before) !== text) writeDurably(this.#path, text);
    this.#anchor?.write({ serial, sha256 });
  }
}

const NONE: HighWater = { serial: 0, sha256: "00".repeat(32) };

function highestOf(history: readonly HistoryEntry[]): HighWater {
  let highest = NONE;
  for (const { result, serial, sha256 } of history) {
    const accepted = result === "done" || result === "pending";
    if (accepted && serial !== undefined && sha256 !== undefined && serial > highest.serial) {
      highest = { serial, sha256 };
    }
  }
  return highest;
}

function readMark(path: string): HighWater | "missing" | "damaged" {
  const bytes = readIfThere(path);
  if (bytes === undefined) return "missing";
  try {
    const { serial, sha256 } = JSON.parse(new TextDecoder().decode(bytes));
    return Number.isSafeInteger(serial) && serial > 0 && /^[0-9a-f]{64}$/.test(sha256)
      ? { serial, sha256 }
      : "damaged";
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return "damaged";
    throw error;
  }
}
