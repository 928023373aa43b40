/**
 * What `prove` prints for people.
 *
 * @module
 */
import { counted, type Output, printable } from "./output.ts";
import {
  type Outcome,
  OUTCOMES,
  type ProvedAttempt,
  type ProvedBench,
  type ProveReport,
} from "./prove_report.ts";
import { tableText } from "./table.ts";

/** The report as text. */
export function proveText(report: ProveReport, style: Output["style"]): string {
  const { policy, posture, backend, rules, counts, ok, reasons } = report;
  const head = `${printable(policy.name)} (serial ${policy.serial}), posture ${posture} by ${
    backend ?? "no backend"
  }`;
  const sum = OUTCOMES.filter((outcome) => counts[outcome] > 0).map((outcome) =>
    `${counts[outcome]} ${outcome}`
  );
  const verdict = ok
    ? style.good("all that is promised is covered")
    : (counts["not covered"] > 0 ? style.bad : style.doubtful)(reasons.join("; "));
  return `${[style.heading(head), ...rules.map(benchText)].join("\n\n")}\n\n${sum.join(", ")}: ${verdict}\n`;
}

function benchText({ rule, effect, kind, target, file_system, like, attempts }: ProvedBench): string {
  const head = `${printable(rule)}: ${KINDS[kind]} such as ${printable(target)} on ${file_system}, ${effect}`;
  if (like !== undefined) return `${head}: as ${printable(like)}`;
  const rows = [...Map.groupBy(attempts, wayAndOutcome).values()].map((group) => [
    group[0]?.way ?? "",
    group.map(({ op }) => op).join(","),
    group[0]?.outcome ?? "",
    group[0]?.detail ?? "",
  ]);
  return `${head}, ${counted(attempts.length, "attempt")}\n${tableText(COLUMNS, rows)}`.trimEnd();
}

/** Operations with which a way ends alike go on one line. */
function wayAndOutcome({ way, outcome, detail }: ProvedAttempt): string {
  return JSON.stringify([way, outcome, detail] satisfies [string, Outcome, string]);
}

const COLUMNS = ["WAY", "OPERATIONS", "RESULT", "DETAIL"].map((heading) => ({ heading }));
const KINDS: Readonly<Record<ProvedBench["kind"], string>> = {
  file: "a file",
  subtree: "a subtree",
  inode: "an inode",
};
