/**
 * The history as text: one entry a line, each with the SHA-256 of the line before it, and what is wrong with it.
 *
 * @module
 */
import { createHash } from "node:crypto";

/**
 * What happened. `damage`: the agent found state that was not as it left it. `hand`: a rule or an exemption by hand came
 * or went. `emergency`: an emergency stop began or ended.
 */
export const HAPPENINGS = [
  "start",
  "apply",
  "confirm",
  "rollback",
  "revert",
  "damage",
  "hand",
  "emergency",
] as const;

/** One of {@linkcode HAPPENINGS}. */
export type Happening = typeof HAPPENINGS[number];

/** What is written about one step of a rollout. */
export interface HistoryFact {
  readonly what: Happening;
  /** `pending`: in force until the deadline, unless it is confirmed. `found`: see `reason`. */
  readonly result: "done" | "pending" | "refused" | "found";
  /** Of the policy that this is about, where it could be read. */
  readonly serial?: number;
  readonly name?: string;
  readonly sha256?: string;
  /** Who signed it; null for an unsigned policy. */
  readonly signer?: string | null;
  readonly file?: string;
  /** Serial of the policy that was in force before. */
  readonly from?: number;
  /** Why, in one line. */
  readonly reason?: string;
  /** Exit code of a refusal. */
  readonly exit?: number;
  /** How long a `pending` one stays unless it is confirmed, seconds. */
  readonly confirm_within_s?: number;
}

/** An entry of the history. */
export interface HistoryEntry extends HistoryFact {
  /** Counts from 1 without a gap. */
  readonly seq: number;
  /** RFC 3339, by the wall clock; nothing rests on it. */
  readonly time: string;
  /** SHA-256 of the line before, without its line feed; zeros in the first entry. */
  readonly prev: string;
}

/** Where a history ends: number and SHA-256 of its last line. */
export interface HistoryHead {
  readonly seq: number;
  readonly sha256: string;
}

/** Where an empty history ends. */
export const NO_HEAD: HistoryHead = { seq: 0, sha256: "00".repeat(32) };

/** A place beside the history that says where it ended. */
export interface KnownHead {
  /** For messages. */
  readonly place: string;
  readonly head: HistoryHead;
}

/** What a history says, and what is wrong with it. */
export interface VerifiedHistory {
  readonly entries: readonly HistoryEntry[];
  readonly head: HistoryHead;
  /** One line each; none where the chain is whole. */
  readonly problems: readonly string[];
  /** Bytes up to the last line feed. */
  readonly whole: number;
  /** Bytes behind the last line feed: an entry that was being written when the power went. */
  readonly torn: number;
}

/** The line for what happened, without its line feed, and the head that it makes. */
export function entryLine(
  fact: HistoryFact,
  before: HistoryHead,
  time: Date,
): { readonly line: string; readonly entry: HistoryEntry; readonly head: HistoryHead } {
  const entry = { seq: before.seq + 1, time: time.toISOString(), ...fact, prev: before.sha256 };
  const line = JSON.stringify(entry);
  return { line, entry, head: { seq: entry.seq, sha256: sha256Of(line) } };
}

/**
 * Reads a history and holds it against itself and against what other places know.
 *
 * @param bytes The file; undefined where there is none.
 */
export function verifyHistory(
  bytes: Uint8Array<ArrayBuffer> | undefined,
  known: readonly KnownHead[] = [],
): VerifiedHistory {
  const content = bytes ?? new Uint8Array();
  const whole = content.lastIndexOf(LINE_FEED) + 1;
  const entries: HistoryEntry[] = [];
  const problems: string[] = [];
  const hashes = new Map<number, string>();
  let head = NO_HEAD;
  for (const [index, line] of linesOf(content.subarray(0, whole)).entries()) {
    const entry = parseEntry(line);
    if (entry === undefined) {
      problems.push(`line ${index + 1} is not an entry of the history`);
      continue;
    }
    const problem = chainProblem(entry, head);
    if (problem !== undefined) problems.push(problem);
    entries.push(entry);
    head = { seq: entry.seq, sha256: sha256Of(line) };
    hashes.set(entry.seq, head.sha256);
  }
  for (const each of known) {
    const problem = headProblem(each, head, hashes);
    if (problem !== undefined) problems.push(problem);
  }
  return { entries, head, problems, whole, torn: content.length - whole };
}

function chainProblem({ seq, prev }: HistoryEntry, before: HistoryHead): string | undefined {
  if (seq === before.seq + 1) {
    if (prev === before.sha256) return undefined;
    return before.seq === 0
      ? "entry 1 does not begin a history"
      : `entry ${before.seq} was changed: entry ${seq} holds another hash of it`;
  }
  if (seq <= before.seq) return `entry ${seq} stands after entry ${before.seq}`;
  return before.seq + 2 === seq
    ? `entry ${before.seq + 1} is missing`
    : `entries ${before.seq + 1} to ${seq - 1} are missing`;
}

function headProblem(
  { place, head }: KnownHead,
  last: HistoryHead,
  hashes: ReadonlyMap<number, string>,
): string | undefined {
  if (head.seq === 0) return undefined;
  const found = hashes.get(head.seq);
  if (found === head.sha256) return undefined;
  if (found !== undefined) return `entry ${head.seq} is not the one that ${place} knows`;
  if (last.seq > head.seq) return undefined;
  return last.seq + 1 === head.seq
    ? `entry ${head.seq} is missing at the end: ${place} knows it`
    : `entries ${last.seq + 1} to ${head.seq} are missing at the end: ${place} knows them`;
}

function parseEntry(line: Uint8Array<ArrayBuffer>): HistoryEntry | undefined {
  try {
    const entry = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
    const { seq, time, what, result, prev } = entry ?? {};
    const isEntry = Number.isSafeInteger(seq) && seq > 0 && typeof time === "string" &&
      HAPPENINGS.includes(what) && typeof result === "string" && HASH.test(prev);
    return isEntry ? entry : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

function linesOf(content: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const lines: Uint8Array<ArrayBuffer>[] = [];
  for (let start = 0; start < content.length;) {
    const end = content.indexOf(LINE_FEED, start);
    lines.push(content.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function sha256Of(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

const LINE_FEED = 0x0a;
const HASH = /^[0-9a-f]{64}$/;
