/**
 * What can be wrong with a policy, as data: where it is, which key it belongs to, and what was expected there.
 *
 * @module
 */

import { LIMITS } from "./limits.ts";

/** One thing wrong, or (as a warning) doubtful, in a policy file. */
export interface Problem {
  /** The file's name as the user gave it. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 code units. */
  readonly column: number;
  /** The key it belongs to, such as `rules[2].paths[0]`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong: a sentence without its full stop. */
  readonly message: string;
  /** What should be there. */
  readonly expected?: string;
}

/** A place in a file; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A path of keys and indices into a policy. */
export type KeyPath = readonly (string | number)[];

/** A problem in one line: `FILE:LINE:COLUMN: KEY PATH: message; expected …`. */
export function formatProblem(problem: Problem): string {
  const key = problem.path === "" ? "" : `${problem.path}: `;
  const expected = problem.expected === undefined ? "" : `; expected ${problem.expected}`;
  return `${problem.file}:${problem.line}:${problem.column}: ${key}${problem.message}${expected}`;
}

/** A key path as text: `rules[2].paths[0]`. Keys that are not plain words are quoted: `scopes["a b"]`. */
export function formatKeyPath(path: KeyPath): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (!/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/.test(key)) text += `[${JSON.stringify(key.slice(0, 64))}]`;
    else text += text === "" ? key : `.${key}`;
  }
  return text;
}

/** Collects the problems of one file, up to `LIMITS.problems`, and counts the rest. */
export class ProblemList {
  readonly #file: string;
  readonly #problems: Problem[] = [];
  readonly #taken = new Set<string>();
  #omitted = 0;

  constructor(file: string) {
    this.#file = file;
  }

  /** How many problems there were, those not kept included. */
  get count(): number {
    return this.#problems.length + this.#omitted;
  }

  /** True when further problems would only be counted. */
  get full(): boolean {
    return this.#problems.length >= LIMITS.problems;
  }

  /** Adds a problem. A second one of the same key at the same place follows from the first and is left out. */
  add(place: Place, path: KeyPath, message: string, expected?: string): void {
    const text = formatKeyPath(path);
    const key = `${place.line}:${place.column}:${text}`;
    if (this.#taken.has(key)) return;
    if (this.full) {
      this.#omitted++;
      return;
    }
    this.#taken.add(key);
    const problem = { file: this.#file, line: place.line, column: place.column, path: text, message };
    this.#problems.push(expected === undefined ? problem : { ...problem, expected });
  }

  /** Counts problems that there is no room for any more. */
  omit(count: number): void {
    this.#omitted += count;
  }

  /** The problems in the order of the file; if some were left out, a last one says how many. */
  sorted(): readonly Problem[] {
    const sorted = this.#problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const last = sorted.at(-1);
    if (this.#omitted === 0 || last === undefined) return sorted;
    return [...sorted, {
      ...last,
      path: "",
      message: `there are ${this.#omitted} more problems in this file`,
    }]
      .map((problem, index) => index === sorted.length ? withoutExpected(problem) : problem);
  }
}

function withoutExpected(problem: Problem): Problem {
  const { expected: _, ...rest } = problem;
  return rest;
}
