/**
 * The history of rollouts: a file that is only added to, and two places beside it that know where it ends, so that
 * cutting off its end is noticed.
 *
 *     <state>/history.jsonl   the entries
 *     <state>/history.head    number and SHA-256 of the last one
 *     <pins>/rollout          the same, in the kernel, while anything is pinned
 *
 * @module
 */
import type { Anchor } from "../kernel/anchor.ts";
import {
  appendDurably,
  damagedName,
  readIfThere,
  setAside,
  truncateDurably,
  writeDurably,
} from "./durable_file.ts";
import {
  entryLine,
  type HistoryEntry,
  type HistoryFact,
  type HistoryHead,
  type KnownHead,
  NO_HEAD,
  type VerifiedHistory,
  verifyHistory,
} from "./history_chain.ts";

/** Where the files are. */
export interface HistoryFiles {
  readonly entries: string;
  readonly head: string;
}

/** The files in a state folder. */
export function historyFiles(state: string): HistoryFiles {
  return { entries: `${state}/history.jsonl`, head: `${state}/history.head` };
}

/**
 * Reads the history and holds it against what is known of its end; changes nothing.
 *
 * @param anchor What the kernel keeps; undefined where nothing is pinned.
 */
export function readHistory(files: HistoryFiles, anchor?: Pick<Anchor, "read">): VerifiedHistory {
  // The history last: it is written first, so what the others know is in it.
  const known: KnownHead[] = [];
  if (anchor) {
    const { entries, head } = anchor.read();
    known.push({ place: "the kernel", head: { seq: entries, sha256: head } });
  }
  const stored = readHead(files.head);
  if (typeof stored === "object") known.push({ place: files.head, head: stored });
  const read = verifyHistory(readIfThere(files.entries), known);
  const problem = stored === "damaged"
    ? `${files.head} is damaged`
    // The first entry may have been written, and the head not yet.
    : stored === "missing" && read.head.seq > 1
    ? `${files.head} is missing`
    : undefined;
  return problem === undefined ? read : { ...read, problems: [...read.problems, problem] };
}

/** Writes the history. */
export class History {
  readonly #files: HistoryFiles;
  readonly #anchor: Anchor | undefined;
  readonly #report: (line: string) => void;
  readonly #entries: HistoryEntry[];
  /** What was wrong when it was opened; one line each. */
  readonly problems: readonly string[];
  #head: HistoryHead;
  /** What could not be written yet: the disk was full. */
  #waiting: { readonly fact: HistoryFact; readonly time: Date }[] = [];

  /**
   * Opens a history, and says what is wrong with it: in the log, and in the history itself. An entry that was torn by a
   * power cut is moved to a file of its own.
   *
   * @param state The state folder, which exists.
   */
  constructor(state: string, anchor: Anchor | undefined, report: (line: string) => void) {
    this.#files = historyFiles(state);
    this.#anchor = anchor;
    this.#report = report;
    const read = readHistory(this.#files, anchor);
    const torn = read.torn > 0 ? this.#setTornAside(read.whole) : [];
    if (readHead(this.#files.head) === "damaged") setAside(this.#files.head);
    this.#entries = [...read.entries];
    this.problems = [...read.problems, ...torn];
    this.#head = this.#furthest(read);
    if (read.problems.length > 0) { for (const problem of read.problems) report(`history: ${problem}`); }
    const reason = this.problems.join("; ");
    const isNew = reason !== "" && !this.#entries.some((entry) => entry.reason === reason);
    if (isNew) this.append({ what: "damage", result: "found", reason });
  }

  /** All entries, oldest first. */
  get entries(): readonly HistoryEntry[] {
    return this.#entries;
  }

  /** Entries that are yet to be written. */
  get unwritten(): number {
    return this.#waiting.length;
  }

  /** Adds what happened. Where it cannot be written that is reported, and it is tried again by {@linkcode flush}. */
  append(fact: HistoryFact): void {
    this.#waiting.push({ fact, time: new Date() });
    this.flush();
  }

  /** Writes what could not be written before. */
  flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { line, entry, head } = entryLine(next.fact, this.#head, next.time);
      try {
        appendDurably(this.#files.entries, `${line}\n`);
      } catch (error) {
        if (!this.#failing) this.#report(`history: an entry could not be written: ${messageOf(error)}`);
        this.#failing = true;
        return;
      }
      this.#failing = false;
      this.#waiting.shift();
      this.#entries.push(entry);
      this.#head = head;
      this.#keepHead();
    }
  }

  #failing = false;

  /** The end of the history, whoever knows it: numbers go on from there. */
  #furthest(read: VerifiedHistory): HistoryHead {
    const anchor = this.#anchor?.read();
    const stored = readHead(this.#files.head);
    const heads = [
      read.head,
      typeof stored === "object" ? stored : NO_HEAD,
      anchor ? { seq: anchor.entries, sha256: anchor.head } : NO_HEAD,
    ];
    return heads.reduce((furthest, head) => head.seq > furthest.seq ? head : furthest);
  }

  #keepHead(): void {
    const { seq, sha256 } = this.#head;
    try {
      writeDurably(this.#files.head, JSON.stringify({ seq, sha256 }) + "\n");
    } catch (error) {
      // It is written again with the next entry; until then it knows an earlier end.
      this.#report(`history: its head could not be written: ${messageOf(error)}`);
    }
    this.#anchor?.write({ entries: seq, head: sha256 });
  }

  #setTornAside(whole: number): string[] {
    const { entries } = this.#files;
    const torn = readIfThere(entries)?.subarray(whole) ?? new Uint8Array();
    const aside = damagedName(entries);
    writeDurably(aside, torn);
    truncateDurably(entries, whole);
    this.#report(`history: its last entry was not written to its end; what there was of it is in ${aside}`);
    return [`the entry after entry ${readHistory(this.#files).head.seq} was torn; it is in ${aside}`];
  }
}

function readHead(path: string): HistoryHead | "missing" | "damaged" {
  const bytes = readIfThere(path);
  if (bytes === undefined) return "missing";
  try {
    const { seq, sha256 } = JSON.parse(new TextDecoder().decode(bytes));
    return Number.isSafeInteger(seq) && /^[0-9a-f]{64}$/.test(sha256) ? { seq, sha256 } : "damaged";
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return "damaged";
    throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
