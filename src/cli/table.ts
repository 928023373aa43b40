/**
 * Text in columns.
 *
 * @module
 */
import { printable } from "./output.ts";

/** A column: its heading, and the side its cells are on. */
export interface Column {
  readonly heading: string;
  readonly align?: "left" | "right";
}

/** Rows under headings, each column as wide as its widest cell. Cells are made printable. */
export function tableText(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => columns.map((_, index) => printable(row[index] ?? "")));
  const widths = columns.map(({ heading }, index) =>
    cells.reduce((width, row) => Math.max(width, row[index]?.length ?? 0), heading.length)
  );
  const line = (row: readonly string[]) =>
    row.map((cell, index) => {
      const width = widths[index] ?? 0;
      return columns[index]?.align === "right" ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd();
  return [columns.map(({ heading }) => heading), ...cells].map((row) => `${line(row)}\n`).join("");
}
