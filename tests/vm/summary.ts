/** Adds up and prints what the guests reported. */

import type { Report } from "./guest/runner.ts";

/** How many cases ended in which way. */
export interface Total {
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
}

/** Adds up results. */
export function total(reports: readonly Report[]): Total {
  const of = (result: Report["result"]): number =>
    reports.filter((report) => report.result === result).length;
  return { pass: of("pass"), fail: of("fail"), skip: of("skip") };
}

/** Prints a line for each category and a column for each boot: passed of those that were not skipped. */
export function printTable(reports: readonly Report[]): void {
  const boots = [...new Set(reports.map(bootOf))].sort(byVersion);
  const categories = [...new Set(reports.map((report) => report.category))];
  const cell = (category: string, boot: string): string => {
    const { pass, fail, skip } = total(reports.filter((r) => r.category === category && bootOf(r) === boot));
    return `${pass}/${pass + fail}${skip ? ` (${skip})` : ""}`;
  };
  const rows = [
    ["passed/run (skipped)", ...boots],
    ...categories.map((c) => [c, ...boots.map((boot) => cell(c, boot))]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  console.log();
  for (const row of rows) {
    console.log(
      row.map((text, i) => i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)).join("  ")
        .trimEnd(),
    );
  }
  console.log();
}

/** Prints each failure with its reason, and each reason for which cases were skipped once. */
export function printFailures(reports: readonly Report[]): void {
  const failures = grouped(reports, "fail", (one) => `${bootOf(one)} [${one.phase}]\0${one.reason}`);
  for (const [key, list] of failures) {
    const [where, reason] = key.split("\0");
    for (const one of list.slice(0, 3)) console.log(`FAILED ${where} ${one.category}: ${one.name}`);
    if (list.length > 3) console.log(`       and ${list.length - 3} more for the same reason`);
    console.log(`       ${reason}`);
  }
  for (const [key, list] of grouped(reports, "skip", (one) => `${one.category}: ${one.reason}`)) {
    console.log(
      `skipped ${key} (${list.length}: ${[...new Set(list.map(bootOf))].sort(byVersion).join(", ")})`,
    );
  }
}

function grouped(
  reports: readonly Report[],
  result: Report["result"],
  key: (report: Report) => string,
): Map<string, Report[]> {
  const groups = new Map<string, Report[]>();
  for (const one of reports.filter((report) => report.result === result)) {
    groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  }
  return groups;
}

function bootOf(report: Report): string {
  return `${report.kernel}-${report.lsm}`;
}

function byVersion(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
