/**
 * Reads recorded events, also while they are written, and after a power cut.
 *
 * @module
 */
import type { DecisionEvent } from "./event.ts";
import { recordNumbers, recordPath } from "./record_files.ts";

/** Which recorded lines are wanted. */
export interface RecordedOptions {
  /** Files that were last written before this are passed over; milliseconds of Unix time. Default: none. */
  readonly sinceMs?: number;
}

/** Lines of the recorder's files, oldest first. */
export class RecordedLines implements Disposable {
  readonly #folder: string;
  readonly #sinceMs: number;
  readonly #chunk = new Uint8Array(CHUNK);
  #number = 0;
  #file: Deno.FsFile | undefined;
  #rest = new Uint8Array(0);
  #skipping = false;
  #damaged = 0;

  constructor(folder: string, { sinceMs = -Infinity }: RecordedOptions = {}) {
    this.#folder = folder;
    this.#sinceMs = sinceMs;
  }

  /** Lines that were not whole: cut off by a power cut, or too long to be an event. */
  get damaged(): number {
    return this.#damaged;
  }

  /**
   * The lines that are there by now and were not taken before; a line that is being written comes with the next call.
   *
   * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} if there is no folder, or it is not for this user.
   */
  *take(): Generator<string> {
    for (;;) {
      // Listed before reading: a file is complete once a later one is there.
      const next = recordNumbers(this.#folder).find((number) => number > this.#number);
      if (this.#file) yield* this.#readOn(this.#file);
      if (next === undefined) return;
      this.#close();
      this.#open(next);
    }
  }

  /** Closes what is open. */
  [Symbol.dispose](): void {
    this.#close();
  }

  #open(number: number): void {
    this.#number = number;
    const path = recordPath(this.#folder, number);
    try {
      const { isFile, mtime } = Deno.lstatSync(path);
      if (!isFile || (mtime?.getTime() ?? Infinity) < this.#sinceMs) return;
      this.#file = Deno.openSync(path);
    } catch (error) {
      // The recorder removed it since the folder was listed.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #close(): void {
    if (this.#rest.length > 0) this.#damaged++;
    this.#rest = new Uint8Array(0);
    this.#skipping = false;
    this.#file?.close();
    this.#file = undefined;
  }

  *#readOn(file: Deno.FsFile): Generator<string> {
    for (let count = file.readSync(this.#chunk); count; count = file.readSync(this.#chunk)) {
      yield* this.#split(this.#chunk.subarray(0, count));
    }
  }

  *#split(chunk: Uint8Array): Generator<string> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const bytes = joined(this.#rest, chunk.subarray(start, end));
      this.#rest = new Uint8Array(0);
      start = end + 1;
      if (this.#skipping) this.#skipping = false;
      else if (bytes.length > 0) yield decoder.decode(bytes);
    }
    this.#rest = joined(this.#rest, chunk.subarray(start));
    if (this.#rest.length <= MAX_LINE) return;
    if (!this.#skipping) this.#damaged++;
    this.#skipping = true;
    this.#rest = new Uint8Array(0);
  }
}

/** The event of a line; undefined where it is none. */
export function parseEvent(line: string): DecisionEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isEvent(value) ? value : undefined;
}

const CHUNK = 64 << 10;
/** An event has less than 16 KiB, whatever its names. */
const MAX_LINE = 1 << 20;
const NEWLINE = 0x0a;
const decoder = new TextDecoder();

type Shape = { readonly [key: string]: "string" | "number" | "long" | Shape };

/** What readers rest on; a later version may say more. */
const EVENT: Shape = {
  v: "number",
  id: "string",
  time: "string",
  action: "string",
  op: "string",
  rule: "string",
  policy: { name: "string", serial: "number", sha256: "string" },
  file: { path: "string", path_source: "string", dev: "string", ino: "long", gen: "number" },
  process: {
    pid: "number",
    ppid: "number",
    uid: "number",
    gid: "number",
    comm: "string",
    exe: "string",
    start_ns: "long",
    cgroup: { id: "long", path: "string" },
  },
  backend: "string",
  count: "number",
  ret: "number",
};

function isEvent(value: unknown): value is DecisionEvent {
  return hasShape(value, EVENT) && (value as { v: unknown }).v === 1;
}

function hasShape(value: unknown, shape: Shape): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(shape).every(([key, expected]) => {
    const found = (value as Record<string, unknown>)[key];
    if (typeof expected === "object") return hasShape(found, expected);
    const type: string = typeof found;
    return expected === "long" ? type === "number" || type === "string" : type === expected;
  });
}

function joined(first: Uint8Array<ArrayBuffer>, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
