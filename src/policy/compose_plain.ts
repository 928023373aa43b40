/**
 * Reads rules that are written as plainly as `policy export` and most generators write them, several times faster than the
 * YAML library: one key or entry a line, values that are plain words, texts without escapes, or lists and mappings of
 * those that are whole on their line.
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
    if (this.#text[at] === "[" || this.#text[at] === "{") {
      return new FlowReader(this.#text, at, end, this.#bounds).read();
    }
    this.#bounds.tokens -= TOKENS_OF_A_WORD;
    const value = valueOf(this.#text.slice(at, end));
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
function valueOf(text: string): Value | undefined {
  if (PLAIN.test(text)) return OTHER.has(text.toLowerCase()) ? undefined : text;
  if (QUOTED.test(text)) return text.slice(1, -1);
  if (PLAIN_INODE.test(text)) return text;
  return NUMBER.test(text) ? Number(text) : undefined;
}

/** A list in brackets or a mapping in braces that is whole on its line. */
class FlowReader {
  readonly #text: string;
  readonly #end: number;
  readonly #bounds: Pick<Bounds, "tokens">;
  #at: number;

  constructor(text: string, at: number, end: number, bounds: Pick<Bounds, "tokens">) {
    this.#text = text;
    this.#at = at;
    this.#end = end;
    this.#bounds = bounds;
  }

  read(): Node | undefined {
    const node = this.#readNode(MOST_FLOW_LEVELS);
    return this.#at === this.#end ? node : undefined;
  }

  #readNode(levels: number): Node | undefined {
    const character = this.#text[this.#at];
    if (character !== "[" && character !== "{") return this.#readScalar();
    if (levels === 0) return undefined;
    return character === "[" ? this.#readList(levels) : this.#readMapping(levels);
  }

  #readList(levels: number): Node | undefined {
    const list = placed(new YAMLSeq(), this.#at);
    list.flow = true;
    const isWhole = this.#readItems("]", () => {
      const item = this.#readNode(levels - 1);
      if (item !== undefined) list.items.push(item);
      return item !== undefined;
    });
    return isWhole ? list : undefined;
  }

  #readMapping(levels: number): Node | undefined {
    const mapping = placed(new YAMLMap(), this.#at);
    mapping.flow = true;
    const isWhole = this.#readItems("}", () => {
      const start = this.#at;
      const key = keyAt(this.#text, start, this.#end);
      if (key === undefined) return false;
      this.#bounds.tokens -= TOKENS_OF_A_WORD;
      this.#at += key.length + 1;
      this.#skipSpaces();
      const value = this.#readNode(levels - 1);
      if (value === undefined) return false;
      mapping.items.push(new Pair(placed(new Scalar(key), start), value));
      return true;
    });
    return isWhole ? mapping : undefined;
  }

  /** What stands between an opening character and its closing one; false where that is not plain. */
  #readItems(close: string, readItem: () => boolean): boolean {
    this.#at++;
    this.#skipSpaces();
    if (this.#take(close)) return true;
    do {
      this.#skipSpaces();
      if (!readItem()) return false;
      this.#skipSpaces();
      if (this.#take(close)) return true;
    } while (this.#take(","));
    return false;
  }

  #readScalar(): Node | undefined {
    this.#bounds.tokens -= TOKENS_OF_A_WORD;
    if (this.#bounds.tokens < 0) return undefined;
    FLOW_WORD.lastIndex = this.#at;
    const text = FLOW_WORD.exec(this.#text)?.[0];
    const value = text === undefined ? undefined : valueOf(text);
    if (text === undefined || value === undefined) return undefined;
    const scalar = placed(new Scalar(value), this.#at);
    this.#at += text.length;
    return scalar;
  }

  #take(character: string): boolean {
    const isThere = this.#at < this.#end && this.#text[this.#at] === character;
    if (isThere) this.#at++;
    return isThere;
  }

  #skipSpaces(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }
}

/** A rule, its `except`, and the lists in that. */
const MOST_FLOW_LEVELS = 3;
/** Whatever a value within brackets may be; what it is, or whether it is one, `valueOf` says. */
const FLOW_WORD = /"[^"\\\n]*"|'[^'\n]*'|[A-Za-z0-9/_.@%+=~:-]+/y;

function placed<T extends Node>(node: T, start: number): T {
  node.range = [start, start, start];
  return node;
}
