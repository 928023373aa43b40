/**
 * Holds reading in parts against reading as a whole, for tests.
 *
 * @module
 */

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { isMap, isScalar, isSeq, LineCounter } from "yaml";
import { compose } from "./compose.ts";
import { composeInParts } from "./compose_parts.ts";
import { ProblemList } from "./problem.ts";

/**
 * Whether a text can be read in parts, however small.
 *
 * @throws {AssertionError} if it can, and comes out as something else than when read as a whole.
 */
export function sameInParts(text: string): boolean {
  const parts = composeInParts(text, 0);
  if (parts === undefined) return false;
  const problems = new ProblemList("whole");
  const whole = compose(text, new LineCounter(), problems);
  deepStrictEqual(problems.sorted(), [], "refused as a whole");
  deepStrictEqual(shapeOf(parts.contents), shapeOf(whole?.contents));
  strictEqual(JSON.stringify(parts.toJS()), JSON.stringify(whole?.toJS()));
  return true;
}

/** Nodes with the offsets at which they begin; a list, whose own beginning nobody asks for, without. */
export function shapeOf(node: unknown): unknown {
  if (isSeq(node)) return node.items.map(shapeOf);
  if (isMap(node)) {
    return [node.range?.[0], ...node.items.map(({ key, value }) => [shapeOf(key), shapeOf(value)])];
  }
  return isScalar(node) ? [node.range?.[0], typeof node.value, String(node.value)] : null;
}
