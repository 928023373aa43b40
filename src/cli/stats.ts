/**
 * `aegisbpf stats`: how much was denied and reported, exactly.
 *
 * @module
 */
import { STATS_KEYS, type StatsReport } from "../agent/api.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { choiceOption, JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { jsonText } from "./output.ts";
import { tableText } from "./table.ts";

/** Adds the command. */
export function addStats(parent: Parent, context: Context): void {
  const command = parent.command("stats")
    .summary("count what was denied and reported")
    .description(
      "Counts what was denied and what was only reported since the pins were made. The numbers are exact: they are " +
        "counted in the kernel, not from events.",
    )
    .addOption(choiceOption("--by <KEY>", "break the numbers down", STATS_KEYS))
    .option(...JSON_OPTION)
    .action(async ({ by, json }) => {
      using client = new AgentClient(context.locations().socket);
      const report = await client.get<StatsReport>(`/v1/stats${by === undefined ? "" : `?by=${by}`}`);
      context.output.out(json ? jsonText(report) : statsText(report));
    });
  withExamples(command, [["aegisbpf stats --by rule", "which rules are hit, and by which operation"]]);
}

/** The report for people. */
export function statsText(report: StatsReport): string {
  const parts = report.by === undefined || report.rows === undefined
    ? []
    : [rowsText(report.by, report.rows)];
  parts.push(tableText([{ heading: "DECISIONS" }, { heading: "COUNT", align: "right" }], [
    ["denied", String(report.denied)],
    ["audited", String(report.audited)],
  ]));
  return `${parts.join("\n")}\n${eventsLine(report.events)}\n`;
}

function rowsText(by: string, rows: NonNullable<StatsReport["rows"]>): string {
  const columns = [
    { heading: by.toUpperCase() },
    { heading: "OP" },
    { heading: "ACTION" },
    { heading: "COUNT", align: "right" },
  ] as const;
  return tableText(columns, rows.map(({ key, op, action, count }) => [key, op, action, String(count)]));
}

function eventsLine({ emitted, delivered, coalesced, dropped }: StatsReport["events"]): string {
  const relation = emitted === delivered + coalesced + dropped ? "=" : "does not equal";
  return `events: ${emitted} emitted ${relation} ${delivered} delivered + ${coalesced} coalesced + ${dropped} dropped`;
}
