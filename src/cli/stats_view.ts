/**
 * Exact counts for people.
 *
 * @module
 */
import type { StatsReport } from "../agent/api.ts";
import { type Column, tableText } from "./table.ts";

/** An earlier look, for rates. */
export interface EarlierLook {
  readonly report: StatsReport;
  /** Since then. */
  readonly seconds: number;
}

/** The report; with an earlier look, what was added since in a second. What was hit comes last, as on a screen. */
export function statsText(report: StatsReport, earlier?: EarlierLook): string {
  const parts = report.by === undefined || report.rows === undefined
    ? []
    : [rowsText(report.by, report.rows, earlier)];
  parts.push(tableText([{ heading: "DECISIONS" }, ...numbers(earlier)], [
    ["denied", String(report.denied), rate(report.denied, earlier?.report.denied, earlier)],
    ["audited", String(report.audited), rate(report.audited, earlier?.report.audited, earlier)],
  ]));
  return `${parts.join("\n")}\n${eventsLine(report.events)}\n`;
}

function numbers(earlier: EarlierLook | undefined): Column[] {
  const count: Column = { heading: "COUNT", align: "right" };
  return earlier === undefined ? [count] : [count, { heading: "PER SECOND", align: "right" }];
}

function rate(count: number, before: number | undefined, earlier: EarlierLook | undefined): string {
  return earlier === undefined ? "" : ((count - (before ?? 0)) / earlier.seconds).toFixed(1);
}

function rowsText(by: string, rows: NonNullable<StatsReport["rows"]>, earlier?: EarlierLook): string {
  const columns = [
    { heading: by.toUpperCase() },
    { heading: "OP" },
    { heading: "ACTION" },
    ...numbers(earlier),
  ];
  const name = ({ key, op, action }: { key: string; op: string; action: string }) =>
    `${key}\0${op}\0${action}`;
  const before = new Map(earlier?.report.rows?.map((row) => [name(row), row.count]));
  return tableText(
    columns,
    rows.map((row) => [
      row.key,
      row.op,
      row.action,
      String(row.count),
      rate(row.count, before.get(name(row)), earlier),
    ]),
  );
}

function eventsLine({ emitted, delivered, coalesced, dropped }: StatsReport["events"]): string {
  const relation = emitted === delivered + coalesced + dropped ? "=" : "does not equal";
  return `events: ${emitted} emitted ${relation} ${delivered} delivered + ${coalesced} coalesced + ${dropped} dropped`;
}
