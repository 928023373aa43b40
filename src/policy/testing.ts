/**
 * Helpers of this folder's tests.
 *
 * @module
 */

import type { Policy } from "./model.ts";
import { parsePolicy } from "./parse.ts";
import { formatProblem } from "./problem.ts";

/** The policy of a text that must be accepted. */
export function acceptPolicy(text: string): Policy {
  const result = parsePolicy(text, "p.yaml");
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join("\n"));
  return result.policy;
}

/** A value without the lines in it, to compare policies that were read from different texts. */
export function withoutLines(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutLines);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "line");
  return Object.fromEntries(entries.map(([key, child]) => [key, withoutLines(child)]));
}

/** A small generator of numbers that repeats for a seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  }

  /** One of the items. */
  pick<const T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("Cannot pick from an empty list");
    return item;
  }

  /** None to `atMost` items. */
  list<T>(atMost: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.below(atMost + 1) }, (_, index) => make(index));
  }
}
