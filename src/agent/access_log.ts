/**
 * Accesses to files from a log, line by line: events as `run --events FILE` writes them, or paths as `find` prints them.
 *
 * @module
 */
import * as z from "zod";
import { deviceNumber, type Identity } from "../kernel/packed.ts";
import { type Operation, OPERATIONS } from "../policy/operations.ts";

/** Someone did something to a file. */
export interface Access {
  readonly op: Operation;
  /** Absolute; undefined where the log has no path of the file itself. */
  readonly path?: string;
  /** What the file was to the kernel, where the log has it. */
  readonly file?: Identity;
  readonly uid: number;
  /** Path of the executable. */
  readonly exe?: string;
  /** Path below the cgroup2 root, or `id:N`. */
  readonly cgroup: string;
  /** How many equal accesses it stands for. */
  readonly count: number;
}

/** A line of a log: an access, nothing of interest, or why it is neither. */
export type LogLine =
  | { readonly kind: "access"; readonly access: Access }
  | { readonly kind: "other" }
  | { readonly kind: "bad"; readonly reason: string };

/** Who opens the files of a list of paths, and how; the list itself does not say. */
export type ListCaller = Pick<Access, "op" | "uid" | "exe" | "cgroup">;

/** Reads one line, without its line break. Empty lines, and events that are no access, are of no interest. */
export function readLogLine(line: Uint8Array, caller: ListCaller): LogLine {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line);
  } catch {
    return bad("not UTF-8");
  }
  if (text.startsWith("/")) {
    if (text.includes("\0")) return bad("holds a NUL; give find's -print, not -print0");
    return { kind: "access", access: { ...caller, path: text, count: 1 } };
  }
  if (text.trim() === "") return { kind: "other" };
  return text.trimStart().startsWith("{") ? readEvent(text) : bad("neither an event nor an absolute path");
}

/** A part of a byte stream that ends with a line break. */
export interface RawLine {
  /** Counted from 1. */
  readonly number: number;
  /** Undefined for a line that is longer than `MAX_LINE_BYTES`. */
  readonly bytes: Uint8Array | undefined;
}

/** The longest line that is taken: an event of the longest paths and names, every character escaped, is shorter. */
export const MAX_LINE_BYTES = 256 * 1024;

/** Splits a stream into lines; no more than one line and one chunk are in memory. */
export async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<RawLine> {
  const line = new LineBuffer();
  let number = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      line.add(chunk.subarray(start, end));
      yield { number: ++number, bytes: line.take() };
      start = end + 1;
    }
    line.add(chunk.subarray(start));
  }
  if (line.length > 0) yield { number: ++number, bytes: line.take() };
}

const NEWLINE = 0x0a;

/** The parts of a line that came so far; those of one that is too long are only counted. */
class LineBuffer {
  length = 0;
  #parts: Uint8Array[] = [];

  add(part: Uint8Array): void {
    this.length += part.length;
    if (this.length > MAX_LINE_BYTES) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part.slice());
  }

  take(): Uint8Array | undefined {
    const bytes = this.length > MAX_LINE_BYTES ? undefined : new Uint8Array(this.length);
    let at = 0;
    for (const part of bytes ? this.#parts : []) {
      bytes?.set(part, at);
      at += part.length;
    }
    this.length = 0;
    this.#parts = [];
    return bytes;
  }
}

/** What of an event counts here; fields that later versions add do no harm. */
const long = z.union([z.int().nonnegative(), z.string().regex(/^[0-9]{1,20}$/)]).transform(BigInt);
const uint32 = z.int().min(0).max(0xffff_ffff);
const eventFields = z.object({
  v: z.literal(1),
  action: z.string(),
  op: z.string(),
  file: z.object({
    path: z.string(),
    path_source: z.string(),
    dev: z.string().regex(/^[0-9]{1,4}:[0-9]{1,7}$/),
    ino: long,
    gen: uint32,
  }),
  process: z.object({
    uid: uint32,
    exe: z.string(),
    cgroup: z.object({ id: long, path: z.string() }),
  }),
  count: z.int().positive(),
});

function readEvent(text: string): LogLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return bad(`not JSON: ${error instanceof Error ? error.message : error}`);
  }
  // What an agent says of itself is no access.
  if ((value as { action?: unknown } | null)?.action === "state") return { kind: "other" };
  const parsed = eventFields.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return bad(`not an event of version 1: ${issue?.path.join(".") || "it"}: ${issue?.message}`);
  }
  const { action, op, file, process, count } = parsed.data;
  if (action !== "deny" && action !== "audit") return { kind: "other" };
  const operation = OPERATIONS.find((known) => known === op);
  if (operation === undefined) {
    return bad(`not an event of version 1: op: unknown operation ${JSON.stringify(op)}`);
  }
  const [major = 0, minor = 0] = file.dev.split(":").map(Number);
  const { exe, cgroup } = process;
  const hasPath = file.path_source !== "rule" && file.path.startsWith("/");
  const access: Access = {
    op: operation,
    ...(hasPath ? { path: file.path } : {}),
    // A record of a system call may know no more than the path that was asked for.
    ...(file.ino === 0n ? {} : { file: { dev: deviceNumber(major, minor), ino: file.ino, gen: file.gen } }),
    uid: process.uid,
    ...(exe.startsWith("/") ? { exe } : {}),
    cgroup: cgroup.path.startsWith("/") ? cgroup.path : `id:${cgroup.id}`,
    count,
  };
  return { kind: "access", access };
}

function bad(reason: string): LogLine {
  return { kind: "bad", reason };
}
