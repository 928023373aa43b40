/**
 * Reads a large policy some rules at a time: the YAML library's tokens of a whole file take many times the memory that
 * its nodes do.
 *
 * That goes where `rules` is the last key of the file and a block list. Everything that is unusual, and every error, is
 * left to the reading of the file as a whole, so what comes out of both is the same.
 *
 * @module
 */

import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, YAMLSeq } from "yaml";
import { type Bounds, compose } from "./compose.ts";
import { composePlain } from "./compose_plain.ts";
import { LIMITS } from "./limits.ts";
import { ProblemList } from "./problem.ts";

/**
 * The document of a text, or undefined where it must be read as a whole.
 *
 * @param atLeast Length from which it is worth it, in UTF-16 code units.
 */
export function composeInParts(text: string, atLeast: number = WORTH_IT): Document | undefined {
  const split = text.length < atLeast ? undefined : splitRules(text);
  if (split === undefined) return undefined;
  // In a part, the rules stand less deep than in the file.
  const bounds = { tokens: LIMITS.tokens, depth: LIMITS.depth - 2 };
  const document = composePart(text.slice(0, split.from), bounds);
  const pair = document && rulesOf(document);
  if (document === undefined || pair === undefined) return undefined;
  const rules = new YAMLSeq();
  for (const [index, start] of split.parts.entries()) {
    const partText = text.slice(start, split.parts[index + 1] ?? text.length);
    const part = composePlain(partText, bounds) ?? composePart(partText, bounds)?.contents;
    if (!isSeq(part)) return undefined;
    shift(part, start);
    for (const item of part.items) rules.items.push(item);
  }
  const [start = split.from] = split.parts;
  rules.range = [start, text.length, text.length];
  pair.value = rules;
  return document;
}

/** 64 KiB; below it, the tokens are no burden. */
const WORTH_IT = 64 * 1024;
/** Rules that are read at a time. */
const AT_A_TIME = 256;

interface Split {
  /** Offset behind the line of the key. */
  readonly from: number;
  /** Offsets at which the parts begin. */
  readonly parts: readonly number[];
}

/** Where the rules begin, some at a time; undefined where lines do not look as they should. */
function splitRules(text: string): Split | undefined {
  const key = text.match(/^rules:[ \t]*\r?\n/m);
  if (key?.index === undefined) return undefined;
  const from = key.index + key[0].length;
  const parts: number[] = [];
  let indent = -1;
  let items = 0;
  for (let start = from; start < text.length; start = lineEnd(text, start) + 1) {
    let at = start;
    while (text[at] === " ") at++;
    if (at === text.length || text[at] === "\n" || text[at] === "#" || text.startsWith("\r\n", at)) continue;
    const isItem = text[at] === "-" && text[at + 1] === " ";
    if (indent < 0 && isItem) indent = at - start;
    if (indent < 0 || text[at] === "\t" || at - start < indent) return undefined;
    if (at - start > indent) continue;
    if (!isItem) return undefined;
    if (items++ % AT_A_TIME === 0) parts.push(start);
  }
  return parts.length === 0 ? undefined : { from, parts };
}

function lineEnd(text: string, start: number): number {
  const newline = text.indexOf("\n", start);
  return newline < 0 ? text.length : newline;
}

/** A part as a document of its own; undefined if anything is wrong with it. */
function composePart(text: string, bounds: Bounds): Document | undefined {
  const problems = new ProblemList("");
  const document = compose(text, new LineCounter(), problems, bounds);
  return problems.count > 0 ? undefined : document;
}

/** The pair of the key without a value that the document ends with. */
function rulesOf({ contents }: Document): Pair | undefined {
  const pair = isMap(contents) ? contents.items.at(-1) : undefined;
  const isEmpty = isScalar(pair?.value)
    ? pair.value.value === null && !pair.value.source
    : pair?.value === null;
  return pair && isScalar(pair.key) && pair.key.value === "rules" && isEmpty ? pair : undefined;
}

/** Moves the places of a node and all below it. */
function shift(node: unknown, by: number): void {
  if (isSeq(node)) { for (const item of node.items) shift(item, by); }
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      shift(key, by);
      shift(value, by);
    }
  }
  if (!isSeq(node) && !isMap(node) && !isScalar(node)) return;
  const { range } = node as Node;
  if (range) (node as Node).range = [range[0] + by, range[1] + by, range[2] + by];
}
