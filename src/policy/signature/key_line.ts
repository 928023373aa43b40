/**
 * Lines of OpenSSH's text files with public keys in them: `allowed_signers`, lists of revoked keys.
 *
 * @module
 */
import { decodeText } from "../document.ts";
import { type Place, ProblemList } from "../problem.ts";
import { characterName, quote, UNPRINTABLE } from "../syntax.ts";
import { isKeyType } from "./public_key.ts";
import { fromBase64, WireError, WireReader } from "./wire.ts";

/** A line that is neither blank nor a comment. */
export interface KeyFileLine {
  /** Counted from 1. */
  readonly line: number;
  readonly text: string;
  /** Where in `text` its first word begins. */
  readonly at: number;
}

/** What is wrong at a place in a line: `column` counts from 0. */
export class LineError extends Error {
  override readonly name = "LineError";

  constructor(readonly column: number, message: string, readonly expected?: string) {
    super(message);
  }
}

/** A key of a line. */
export interface KeyOfLine {
  /** `ssh-ed25519` and so on; of any kind that OpenSSH knows. */
  readonly type: string;
  /** Its binary form. */
  readonly blob: Uint8Array;
}

/**
 * Reads a file line by line. Problems are told all at once, with their places.
 *
 * @param read Reads a line. @throws {LineError} if it cannot.
 */
export function readKeyFile<T>(
  bytes: Uint8Array,
  problems: ProblemList,
  read: (line: KeyFileLine) => T,
): readonly T[] {
  const text = decodeText(bytes, problems) ?? "";
  const found: T[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const content = raw.replace(/\r$/, "");
    const at = content.search(/[^ \t]/);
    if (at === -1 || content[at] === "#") continue;
    const line = index + 1;
    try {
      checkCharacters(content);
      found.push(read({ line, text: content, at }));
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      const place: Place = { line, column: error.column + 1 };
      problems.add(place, [], error.message, error.expected);
    }
    if (problems.full) break;
  }
  return found;
}

/** The word at a place, and where the next one begins: at the line's end, if there is none. */
export function wordAt(text: string, at: number): { readonly word: string; readonly next: number } {
  const word = /^[^ \t]*/.exec(text.slice(at))?.[0] ?? "";
  return { word, next: skipBlanks(text, at + word.length) };
}

/** The place of the next character that is no blank. */
export function skipBlanks(text: string, at: number): number {
  while (text[at] === " " || text[at] === "\t") at++;
  return at;
}

/**
 * The key that begins at a place: its kind and its base64, and any comment behind them.
 *
 * @throws {LineError} if there is none.
 */
export function keyAt(text: string, at: number): KeyOfLine {
  const { word: type, next } = wordAt(text, at);
  if (!isKeyType(type)) {
    throw new LineError(at, type === "" ? "there is no key" : `${quote(type)} is no kind of key`, A_KEY);
  }
  const { word: base64 } = wordAt(text, next);
  const blob = fromBase64(base64);
  if (blob === undefined) throw new LineError(next, "this is not the base64 of a key", A_KEY);
  const named = nameIn(blob);
  if (named !== type) {
    throw new LineError(next, `the key is damaged, or of another kind than ${type}`, A_KEY);
  }
  return { type, blob };
}

const A_KEY = "a key such as ssh-ed25519 AAAA...";

function nameIn(blob: Uint8Array): string | undefined {
  try {
    return new WireReader(blob).name();
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function checkCharacters(text: string): void {
  for (const { 0: character, index } of text.matchAll(UNPRINTABLE)) {
    if (character !== "\t") throw new LineError(index, `${characterName(character)} is not accepted here`);
  }
}
