/**
 * From text to YAML nodes: the YAML library, kept from what the format does not take and from taking more memory than the
 * text is worth.
 *
 * @module
 */

import { Composer, type CST, type Document, Lexer, type LineCounter, Parser } from "yaml";
import { LIMITS } from "./limits.ts";
import type { Place, ProblemList } from "./problem.ts";
import { quote } from "./syntax.ts";

/** What a text may have. */
export interface Bounds {
  tokens: number;
  readonly depth: number;
}

/**
 * The first document of a text, undefined if there is none. A second one, and what the format does not take from YAML, are
 * problems.
 *
 * @param bounds How many tokens and levels it may have; the tokens that it has are taken off.
 */
export function compose(
  text: string,
  lines: LineCounter,
  problems: ProblemList,
  bounds: Bounds = { tokens: LIMITS.tokensAtOnce, depth: LIMITS.depth },
): Document | undefined {
  const composer = reportingComposer(lines, problems);
  let first: Document | undefined;
  try {
    for (const document of composer.compose(guarded(text, lines, problems, bounds), false, text.length)) {
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

/** The place of an offset in a text. */
export function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
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
function* guarded(text: string, lines: LineCounter, problems: ProblemList, bounds: Bounds) {
  const parser = new Parser();
  let offset = 0;
  let inScalar = false;
  let refusals = 0;
  for (const lexeme of new Lexer().lex(text)) {
    const refusal = inScalar ? undefined : refusalOf(lexeme);
    if (refusal) {
      refusals++;
      problems.add(placeAt(lines, offset), [], refusal.message, refusal.expected);
    }
    if (--bounds.tokens < 0) {
      problems.add(
        placeAt(lines, offset),
        [],
        "the file holds too much",
        `at most ${LIMITS.tokensAtOnce} YAML tokens; ${LIMITS.tokens} where rules is the last key, each on lines of its own`,
      );
      return;
    }
    // From the first refusal on only the lexer runs, to find the others: nothing more is kept in memory.
    if (refusals === 0) yield* withoutErrors(parser.next(lexeme), lines, problems);
    if (parser.stack.length > bounds.depth) {
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
