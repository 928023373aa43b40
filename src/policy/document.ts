/**
 * From a policy's bytes to its values, with the place of each in the file.
 *
 * YAML is taken as the plain subset that JSON has too: no anchors, aliases, tags, directives or second documents. So
 * every value has exactly one place, no few bytes stand for a million values, and no two YAML parsers can read the same
 * signed file in different ways.
 *
 * @module
 */

import {
  Composer,
  type CST,
  type Document,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  Parser,
} from "yaml";
import { LIMITS } from "./limits.ts";
import type { KeyPath, Place, ProblemList } from "./problem.ts";
import { characterName, quote, UNPRINTABLE } from "./syntax.ts";

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
  const document = compose(text, lines, problems);
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

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
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

/** The first document of the text; a second one, and what the format does not take from YAML, are problems. */
function compose(text: string, lines: LineCounter, problems: ProblemList): Document | undefined {
  const composer = reportingComposer(lines, problems);
  let first: Document | undefined;
  try {
    for (const document of composer.compose(guarded(text, lines, problems), false, text.length)) {
      if (first !== undefined) {
        const place = placeAt(lines, document.range?.[0] ?? 0);
        problems.add(place, [], "a second YAML document begins here", "only one");
        break;
      }
      first = document;
    }
  } catch (error) {
    if (!(error instanceof TooManyProblems)) throw error;
  }
  // The few errors that the composer does not report one by one.
  for (const error of first?.errors ?? composer.streamInfo().errors) {
    problems.add(placeAt(lines, error.pos[0]), [], `not valid YAML: ${error.message}`);
  }
  return first;
}

class TooManyProblems extends Error {}

/** Where the library says an error is: an offset, a range that begins with one, or a token. */
type ErrorSource = number | readonly [number, ...number[]] | { readonly offset: number };

/**
 * A composer that reports errors as it finds them and stops when there are too many. The library would keep an error
 * with its stack for every few bytes of a broken file: gigabytes for one of 8 MiB.
 */
function reportingComposer(lines: LineCounter, problems: ProblemList): Composer {
  // Duplicate keys are looked for later: the library compares each pair, which is quadratic.
  const composer = new Composer({ uniqueKeys: false, stringKeys: true, prettyErrors: false });
  const onError = (source: ErrorSource, _code: string, message: string) => {
    const offset = typeof source === "number" ? source : "offset" in source ? source.offset : source[0];
    problems.add(placeAt(lines, offset), [], `not valid YAML: ${message}`);
    if (problems.full) throw new TooManyProblems();
  };
  // A property that the library's types keep private. Were it renamed, errors would be kept and told all the same.
  return Object.assign(composer, { onError });
}

/** The parser's tokens, ending early where the text holds something that is refused or too much of anything. */
function* guarded(text: string, lines: LineCounter, problems: ProblemList) {
  const parser = new Parser();
  let offset = 0;
  let tokens = 0;
  let inScalar = false;
  let refusals = 0;
  for (const lexeme of new Lexer().lex(text)) {
    const refusal = inScalar ? undefined : refusalOf(lexeme);
    if (refusal) {
      refusals++;
      problems.add(placeAt(lines, offset), [], refusal.message, refusal.expected);
    }
    if (++tokens > LIMITS.tokens) {
      problems.add(
        placeAt(lines, offset),
        [],
        "the file holds too much",
        `at most ${LIMITS.tokens} YAML tokens`,
      );
      return;
    }
    // From the first refusal on only the lexer runs, to find the others: nothing more is kept in memory.
    if (refusals === 0) yield* withoutErrors(parser.next(lexeme), lines, problems);
    if (parser.stack.length > LIMITS.depth) {
      problems.add(placeAt(lines, offset), [], "nested too deep", `at most ${LIMITS.depth} levels`);
      return;
    }
    if (problems.full) return;
    inScalar = lexeme === SCALAR_MARK;
    if (!MARKS.has(lexeme)) offset += lexeme.length;
  }
  if (refusals === 0) yield* withoutErrors(parser.end(), lines, problems);
}

/** The tokens but for the parser's errors, which become problems at once: the composer would keep any number. */
function* withoutErrors(tokens: Iterable<CST.Token>, lines: LineCounter, problems: ProblemList) {
  for (const token of tokens) {
    if (token.type !== "error") yield token;
    else problems.add(placeAt(lines, token.offset), [], `not valid YAML: ${token.message}`);
  }
}

const SCALAR_MARK = "\x1f";
/** What the lexer says without there being a character for it. The text itself can hold none of these by now. */
const MARKS = new Set(["\x02", "\x18", SCALAR_MARK]);

function refusalOf(lexeme: string): { readonly message: string; readonly expected: string } | undefined {
  switch (lexeme[0]) {
    case "&":
      return { message: `the anchor ${quote(lexeme)} is not accepted`, expected: "plain values" };
    case "*":
      return { message: `the alias ${quote(lexeme)} is not accepted`, expected: "the value written out" };
    case "!":
      return { message: `the tag ${quote(lexeme)} is not accepted`, expected: "plain values" };
    case "%":
      return {
        message: `the directive ${quote(lexeme)} is not accepted`,
        expected: "YAML without directives",
      };
    default:
      return undefined;
  }
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
