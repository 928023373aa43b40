/**
 * Reads rules that are written as plainly as `policy export` and most generators write them, several times faster than the
 * YAML library: one key or entry a line, values that are plain words, texts without escapes, or short lists of those.
 *
 * Everything else is left to the library. What is read here comes out as the library would have read it; fuzzing and
 * tests hold both against each other.
 *
 * @module
 */

import { type Node, Pair, Scalar, YAMLMap, YAMLSeq } from "yaml";
import type { Bounds } from "./compose.ts";
import { LIMITS } from "./limits.ts";

/**
 * The block list that a text is, undefined if it is anything that is not written plainly, or too much.
 *
 * @param bounds How many tokens it may have, as the library would count them; what it has is taken off.
 */
export function composePlain(
  text: string,
  bounds: Pick<Bounds, "tokens"> = { tokens: LIMITS.tokens },
): YAMLSeq | undefined {
  const reader = new PlainReader(text, bounds);
  const list = reader.readList();
  return reader.isAtEnd ? list : undefined;
}

/** A value of one line: what it is, and where it begins. */
type Value = string | number;

class PlainReader {
  readonly #text: string;
  readonly #bounds: Pick<Bounds, "tokens">;
  /** Of the line at hand: where it begins, its first character that is not a space, and where it ends. */
  #start = 0;
  #first = 0;
  #end = -1;

  constructor(text: string, bounds: Pick<Bounds, "tokens">) {
    this.#text = text;
    this.#bounds = bounds;
    this.#next();
  }

  get isAtEnd(): boolean {
    return this.#start >= this.#text.length;
  }

  /** The list whose first entry the line at hand is. */
  readList(): YAMLSeq | undefined {
    const indent = this.#indent;
    const list = placed(new YAMLSeq(), this.#first);
    while (!this.isAtEnd && this.#indent === indent && this.#isEntry) {
      const entry = this.#readEntry(indent);
      if (entry === undefined) return undefined;
      list.items.push(entry);
    }
    return list.items.length > 0 && (this.isAtEnd || this.#indent < indent || !this.#isEntry)
      ? list
      : undefined;
  }

  #readEntry(indent: number): Node | undefined {
    let at = this.#first + 1;
    while (this.#text[at] === " ") at++;
    const word = keyAt(this.#text, at, this.#end);
    // What follows the dash is the first line of a mapping, as far in as it stands.
    if (word !== undefined) {
      this.#first = at;
      return this.#readMapping();
    }
    const value = this.#valueAt(at);
    this.#next();
    // A line that stands further in would go on with the value.
    return this.isAtEnd || this.#indent <= indent ? value : undefined;
  }

  /** The mapping whose first key the line at hand is. */
  #readMapping(): Node | undefined {
    const indent = this.#indent;
    const mapping = placed(new YAMLMap(), this.#first);
    while (!this.isAtEnd && this.#indent === indent) {
      const keyStart = this.#first;
      const key = keyAt(this.#text, keyStart, this.#end);
      if (key === undefined) break;
      const value = this.#readKeyed(keyStart + key.length + 1, indent);
      if (value === undefined) return undefined;
      this.#bounds.tokens -= TOKENS_OF_A_WORD;
      mapping.items.push(new Pair(placed(new Scalar(key), keyStart), value));
    }
    const isOver = this.isAtEnd || this.#indent < indent;
    return isOver ? mapping : undefined;
  }

  /** What stands behind a key's colon, or on the lines below. */
  #readKeyed(from: number, indent: number): Node | undefined {
    let at = from;
    while (at < this.#end && this.#text[at] === " ") at++;
    if (at < this.#end) {
      const value = this.#valueAt(at);
      this.#next();
      return this.isAtEnd || this.#indent <= indent ? value : undefined;
    }
    this.#next();
    if (this.isAtEnd || this.#indent < indent) return undefined;
    if (this.#isEntry) return this.readList();
    return this.#indent > indent ? this.#readMapping() : undefined;
  }

  #valueAt(at: number): Node | undefined {
    if (this.#bounds.tokens < 0) return undefined;
    let end = this.#end;
    while (end > at && this.#text[end - 1] === " ") end--;
    const text = this.#text.slice(at, end);
    if (text.startsWith("[")) return flowList(text, at, this.#bounds);
    this.#bounds.tokens -= TOKENS_OF_A_WORD;
    const value = valueOf(text, PLAIN);
    return value === undefined ? undefined : placed(new Scalar(value), at);
  }

  get #indent(): number {
    return this.#first - this.#start;
  }

  get #isEntry(): boolean {
    return this.#text[this.#first] === "-" && this.#text[this.#first + 1] === " ";
  }

  /** Goes to the next line that is neither empty nor a comment. */
  #next(): void {
    do {
      this.#start = this.#end + 1;
      if (this.#start >= this.#text.length) return;
      const newline = this.#text.indexOf("\n", this.#start);
      this.#end = newline < 0 ? this.#text.length : newline;
      this.#first = this.#start;
      while (this.#text[this.#first] === " ") this.#first++;
    } while (this.#first >= this.#end || this.#text[this.#first] === "#");
  }
}

/** A key or value with what stands around it, as the library's lexer counts. */
const TOKENS_OF_A_WORD = 5;
/** A key of the format, which no rule of YAML takes for anything but a text. */
const KEY = /([a-z]+):(?: |$)/my;
/** Words of YAML that are no texts. */
const OTHER = new Set(["null", "true", "false"]);
/** A text without quotes that begins as paths and words do, and holds nothing that YAML looks at. */
const PLAIN = /^[A-Za-z/][A-Za-z0-9/_.@%+=~-]*$/;
/** Numbers with colons are texts too. */
const PLAIN_INODE = /^[0-9]+:[0-9]+:[0-9]+(?::[0-9]+)?$/;
const NUMBER = /^(?:0|[1-9][0-9]{0,14})$/;
const QUOTED = /^(?:"[^"\\\n]*"|'[^'\n]*')$/;

function keyAt(text: string, at: number, end: number): string | undefined {
  KEY.lastIndex = at;
  const key = KEY.exec(text)?.[1];
  return key === undefined || OTHER.has(key) || at + key.length + 1 > end ? undefined : key;
}

/** The value of a text; undefined if it needs more of YAML than is known here. */
function valueOf(text: string, plain: RegExp): Value | undefined {
  if (plain.test(text)) return OTHER.has(text.toLowerCase()) ? undefined : text;
  if (QUOTED.test(text)) return text.slice(1, -1);
  if (PLAIN_INODE.test(text)) return text;
  return NUMBER.test(text) ? Number(text) : undefined;
}

/** A list in brackets that is whole on its line. */
function flowList(text: string, start: number, bounds: Pick<Bounds, "tokens">): YAMLSeq | undefined {
  if (!text.endsWith("]")) return undefined;
  const list = placed(new YAMLSeq(), start);
  list.flow = true;
  if (/^\[ *\]$/.test(text)) return list;
  let at = 1;
  for (const part of partsOf(text, ",")) {
    bounds.tokens -= TOKENS_OF_A_WORD;
    if (bounds.tokens < 0) return undefined;
    const trimmed = part.replace(/^ +| +$/g, "");
    const value = valueOf(trimmed, PLAIN);
    // A comma or bracket within quotes leaves a part that is no value.
    if (value === undefined) return undefined;
    list.items.push(placed(new Scalar(value), start + at + part.indexOf(trimmed)));
    at += part.length + 1;
  }
  return list;
}

/** What stands between separators, one after the other: a list may be millions long. */
function* partsOf(list: string, separator: string): Generator<string> {
  const end = list.length - 1;
  for (let at = 1; at <= end;) {
    const found = list.indexOf(separator, at);
    const stop = found < 0 || found > end ? end : found;
    yield list.slice(at, stop);
    at = stop + 1;
  }
}

function placed<T extends Node>(node: T, start: number): T {
  node.range = [start, start, start];
  return node;
}
