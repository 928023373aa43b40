/**
 * What all benchmarks measured last, tests/bench/results.json: committed, so that documents can say where each of their
 * numbers comes from.
 *
 * @module
 */
import { ROOT } from "../vm/pack.ts";
import { comparison, type Row, shown, signed } from "./rows.ts";

/** One benchmark's rows, and where and when they were measured. */
export interface Measured {
  /** RFC 3339, UTC. */
  readonly at: string;
  /** What was checked out; `+` at the end: with changes. */
  readonly commit: string;
  readonly machine: { readonly kernel: string; readonly cpu: string; readonly cores: number };
  /** Average of runnable processes in the minute before it began: with others at work, times are theirs too. */
  readonly load: number;
  readonly rows: readonly Row[];
}

/** By the name of the benchmark. */
export type Results = Readonly<Record<string, Measured>>;

const FILE = `${ROOT}/tests/bench/results.json`;

/** What is recorded; empty where nothing is. */
export function readResults(): Results {
  try {
    return JSON.parse(Deno.readTextFileSync(FILE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** Replaces all that is recorded. */
export function writeResults(results: Results): void {
  Deno.writeTextFileSync(FILE, `${JSON.stringify(results, null, 1)}\n`);
}

/**
 * A recorded number as documents show it.
 *
 * @param reference `BENCHMARK KEY`, and `over` or `percent` to compare it with its baseline
 * @throws {RangeError} when nothing of that name is recorded
 */
export function recorded(reference: string, results: Results): string {
  const [name = "", key = "", form = "value"] = reference.trim().split(/\s+/);
  const rows = results[name]?.rows ?? [];
  const row = rows.find((row) => row.key === key);
  if (row === undefined) throw new RangeError(`tests/bench/results.json has no row ${name} ${key}`);
  const compared = comparison(row, rows);
  if (form === "over" && compared !== undefined) return `${signed(compared.over)} ${row.unit}`;
  if (form === "percent" && compared !== undefined) return percentText(compared.percent);
  if (form !== "value") {
    throw new RangeError(`${reference}: expected over or percent of a row with a baseline`);
  }
  return `${shown(rounded(row))} ${row.unit}`.trim();
}

/** A percentage with its sign: tenths, and whole numbers from a hundred on. */
export function percentText(percent: number): string {
  return `${signed(Number(percent.toFixed(Math.abs(percent) < 100 ? 1 : 0)))} %`;
}

/** Instructions are told exactly; of what a busy machine measured, two digits say enough. */
function rounded({ value, unit }: Row): number {
  return unit === "instructions" || unit === "" ? value : Number(value.toPrecision(2));
}
