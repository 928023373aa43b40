/**
 * What every benchmark measures: rows of one form, which it leaves in build/bench/NAME.json and prints as one table.
 *
 * @module
 */
import { ROOT } from "../vm/pack.ts";

/** Where benchmarks leave what they measured. */
export const WORK = `${ROOT}/build/bench`;

/** What a row is held to; what is missing is not limited. */
export interface Limit {
  readonly min?: number;
  readonly max?: number;
  /** Most that it may be above its baseline, in its unit. */
  readonly over?: number;
  /** The same in percent of the baseline. */
  readonly percent?: number;
}

/** One number. */
export interface Row {
  /** Unique in its benchmark; words joined by `/`, e.g. `6.1/lsm/miss-inode`. */
  readonly key: string;
  readonly text: string;
  readonly value: number;
  /** e.g. `instructions`, `ms`, `MiB`; empty for a count. */
  readonly unit: string;
  /** The key of the row of the same run that this one is compared with. */
  readonly baseline?: string;
  readonly limit?: Limit;
}

/** How a row stands to its baseline; undefined where it has none. */
export function comparison(row: Row, rows: readonly Row[]): { over: number; percent: number } | undefined {
  if (row.baseline === undefined) return undefined;
  const baseline = rows.find(({ key }) => key === row.baseline)?.value;
  if (baseline === undefined) throw new Error(`Row ${row.key}: expected a row ${row.baseline}`);
  const over = row.value - baseline;
  return { over, percent: over / baseline * 100 };
}

/** The limit that a row misses, in words; undefined when it holds all. */
export function missed(row: Row, rows: readonly Row[]): string | undefined {
  const { min = -Infinity, max = Infinity, over = Infinity, percent = Infinity } = row.limit ?? {};
  const compared = comparison(row, rows);
  if (!Number.isFinite(row.value)) return "no number";
  if (row.value < min) return `less than ${shown(min)}`;
  if (row.value > max) return `more than ${shown(max)}`;
  if (compared !== undefined && compared.over > over) return `more than ${shown(over)} over its baseline`;
  if (compared !== undefined && compared.percent > percent) return `more than ${percent} % over its baseline`;
  return undefined;
}

/** Three significant digits, but whole numbers whole. */
export function shown(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  const rounded = Number.isInteger(value) ? value : Number(value.toFixed(Math.min(digits, 3)));
  return rounded.toLocaleString("en", { maximumFractionDigits: 3 });
}

/** With its sign: what something is more or less than another. */
export function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${shown(Math.abs(value))}`;
}

/** The rows as a table for people. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => {
    const compared = comparison(row, rows);
    return [
      row.key,
      row.text,
      `${shown(row.value)} ${row.unit}`,
      compared === undefined ? "" : signed(compared.over),
      compared === undefined ? "" : `${signed(Number(compared.percent.toFixed(2)))} %`,
      limitText(row.limit),
      missed(row, rows) === undefined ? "" : "MISSED",
    ];
  });
  const head = ["ROW", "WHAT", "VALUE", "OVER", "RATIO", "LIMIT", ""];
  const widths = head.map((_, column) =>
    Math.max(...[head, ...cells].map((row) => row[column]?.length ?? 0))
  );
  return [head, ...cells].map((row) =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column < 2 ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd()
  ).join("\n");
}

/** A limit in short; empty where there is none. */
export function limitText(limit: Limit | undefined): string {
  if (limit === undefined) return "";
  const { min, max, over, percent } = limit;
  if (min !== undefined && min === max) return shown(min);
  return [
    min === undefined ? "" : `at least ${shown(min)}`,
    max === undefined ? "" : `at most ${shown(max)}`,
    over === undefined ? "" : `+${shown(over)}`,
    percent === undefined ? "" : `+${shown(percent)} %`,
  ].filter((text) => text !== "").join(", ");
}

/**
 * Leaves the rows in build/bench/NAME.json and prints them, as a table or as JSON.
 *
 * @returns The exit status: 1 when a row misses its limit
 */
export function leave(name: string, rows: readonly Row[], json: boolean): 0 | 1 {
  Deno.mkdirSync(WORK, { recursive: true });
  Deno.writeTextFileSync(`${WORK}/${name}.json`, `${JSON.stringify(rows, null, 2)}\n`);
  console.log(json ? JSON.stringify(rows) : table(rows));
  return rows.some((row) => missed(row, rows) !== undefined) ? 1 : 0;
}
