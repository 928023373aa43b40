/**
 * From a policy's bytes to its values, with the place of each in the file.
 *
 * YAML is taken as the plain subset that JSON has too: no anchors, aliases, tags, directives or second documents. So
 * every value has exactly one place, no few bytes stand for a million values, and no two YAML parsers can read the same
 * signed file in different ways.
 *
 * @module
 */

import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, type Pair } from "yaml";
import { compose, placeAt } from "./compose.ts";
import { composeInParts } from "./compose_parts.ts";
import type { KeyPath, Place, ProblemList } from "./problem.ts";
import { characterName, UNPRINTABLE } from "./syntax.ts";

/** A parsed YAML document that knows where everything is. */
export class PolicyDocument {
  readonly #document: Document;
  readonly #lines: LineCounter;

  constructor(document: Document, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  /** The root of the node tree; null for an empty file. */
  get root(): Node | null {
    return this.#document.contents;
  }

  /** The document as plain values: strings, numbers, booleans, nulls, arrays and objects. */
  toValue(): unknown {
    return this.#document.toJS({ maxAliasCount: 0 });
  }

  /** The node at a key path, or undefined if there is none. */
  node(path: KeyPath): Node | undefined {
    let node: unknown = this.root;
    for (const key of path) node = childOf(node, key);
    return asNode(node);
  }

  /** Where the value at a key path is; if there is none, where the nearest collection around it begins. */
  placeOf(path: KeyPath): Place {
    for (let length = path.length; length > 0; length--) {
      const node = this.node(path.slice(0, length));
      if (node?.range) return this.place(node);
    }
    return this.place(this.root);
  }

  /** Where a key of the mapping at a key path is written. */
  placeOfKey(path: KeyPath, key: string): Place {
    const pair = pairOf(this.node(path), key);
    return pair ? this.place(pair.key) : this.placeOf(path);
  }

  /** Where an entry of the list at a key path is, given by its text; if it is not in it, where the list is. */
  placeOfEntry(path: KeyPath, text: string): Place {
    const list = this.node(path);
    const entry = isSeq(list)
      ? list.items.find((item) => isScalar(item) && String(item.value) === text)
      : undefined;
    return entry === undefined ? this.placeOf(path) : this.place(entry);
  }

  /** Where a node of this document begins. */
  place(node: unknown): Place {
    const start = asNode(node)?.range?.[0] ?? 0;
    return placeAt(this.#lines, start);
  }
}

/**
 * Parses a text. Every problem is added to `problems`; the result is undefined if there was one that makes the values
 * unreliable.
 *
 * @param noun What the text should be, for messages. Default: a policy.
 */
export function parseDocument(
  text: string,
  problems: ProblemList,
  noun = "policy",
): PolicyDocument | undefined {
  const lines = readLines(text, problems, noun);
  if (problems.count > 0) return undefined;
  const document = composeInParts(text) ?? compose(text, lines, problems);
  if (problems.count > 0) return undefined;
  if (document === undefined) {
    problems.add({ line: 1, column: 1 }, [], "the file is empty", `a ${noun}`);
    return undefined;
  }
  return new PolicyDocument(document, lines);
}

/** Decodes UTF-8. Adds a problem for each line that is not and returns undefined if there is one. */
export function decodeText(bytes: Uint8Array, problems: ProblemList): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    reportInvalidUtf8(bytes, problems);
    return undefined;
  }
}

function asNode(value: unknown): Node | undefined {
  return isMap(value) || isSeq(value) || isScalar(value) ? value : undefined;
}

function pairOf(node: unknown, key: string): Pair | undefined {
  return isMap(node)
    ? node.items.findLast((pair) => isScalar(pair.key) && pair.key.value === key)
    : undefined;
}

function childOf(node: unknown, key: string | number): unknown {
  if (typeof key === "number") return isSeq(node) ? node.items[key] : undefined;
  return pairOf(node, key)?.value;
}

/** Finds the lines. Refuses what editors do not show, and line breaks that parsers disagree about. */
function readLines(text: string, problems: ProblemList, noun: string): LineCounter {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (const { 0: character, index } of text.matchAll(UNPRINTABLE)) {
    if (character === "\n") lines.addNewLine(index + 1);
    else if (index === 0 && character === "\ufeff") {
      problems.add({ line: 1, column: 1 }, [], "the file begins with a byte order mark", "UTF-8 without one");
    } else if (!isLayout(character, text[index + 1])) {
      const message = `${characterName(character)} is not accepted in a ${noun}`;
      problems.add(placeAt(lines, index), [], message, "printable text");
    }
    if (problems.full) break;
  }
  return lines;
}

function isLayout(character: string, next: string | undefined): boolean {
  return character === "\t" || (character === "\r" && next === "\n");
}

function reportInvalidUtf8(bytes: Uint8Array, problems: ProblemList): void {
  const strict = new TextDecoder("utf-8", { fatal: true });
  const lenient = new TextDecoder("utf-8");
  let start = 0;
  for (let line = 1; start <= bytes.length && !problems.full; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline;
    try {
      strict.decode(bytes.subarray(start, end));
    } catch {
      const column = lenient.decode(bytes.subarray(start, end)).indexOf("\ufffd") + 1;
      problems.add({ line, column }, [], "this is not UTF-8", "a text in UTF-8");
    }
    start = end + 1;
  }
}
