/**
 * `aegisbpf policy simulate FILE --events LOG`: what a policy would deny of what was opened.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import type { SimulatedRow, SimulationReport } from "../agent/simulation_report.ts";
import { OPERATIONS } from "../policy/operations.ts";
import type { Policy } from "../policy/model.ts";
import type { Context } from "./context.ts";
import { choiceOption, JSON_OPTION, type Parent, userId, withExamples } from "./definition.ts";
import { CommandError } from "./failure.ts";
import { counted, jsonText, type Output, printable } from "./output.ts";
import { policyFile, printProblems, printWarnings } from "./policy_file.ts";
import { reasonOf, simulate } from "./simulated.ts";
import { tableText } from "./table.ts";

/** Adds the command. */
export function addPolicySimulate(parent: Parent, context: Context): void {
  const command = parent.command("simulate")
    .summary("say what a policy would deny of what was opened")
    .description(
      "Holds a policy against what was opened, and says what it would deny, by rule, cgroup and executable. The log " +
        "holds events, a JSON object a line as run --events writes them, or absolute paths, one a line as find prints " +
        "them; for those the options say who opens them. Files are what they are on this host now, under every name; " +
        "nothing is opened and no agent is needed, but root is. Rules and exemptions made by hand are not counted in. " +
        "Exit status: 0 where nothing would be denied, 1 where something would, 2 where it cannot be told, 4 where " +
        "the policy is not valid.",
    )
    .argument("<FILE>", "the policy")
    .requiredOption("--events <LOG>", "the log; - is standard input")
    .addOption(choiceOption("--op <OP>", "what is done to listed paths", OPERATIONS).default("read" as const))
    .option("--cgroup <CGROUP>", "who opens listed paths: the cgroup, by path or as id:N", "/")
    .option("--uid <UID>", "the user", userId, "0")
    .option("--exe <FILE>", "the executable")
    .option(...JSON_OPTION)
    .action(async (path, { events, op, cgroup, uid, exe, json }) => {
      const policy = await candidate(path, context);
      if (policy === undefined) return;
      const caller = { op, cgroup, uid: Number(uid), ...(exe === undefined ? {} : { exe }) };
      const report = await simulate(policy, path, logged(events), caller);
      const { output } = context;
      const { name, serial } = policy;
      output.out(
        json
          ? jsonText({ policy: { file: path, name, serial }, ...report })
          : reportText(report, policy, output.style),
      );
      if (!json) printBadLines(report, events, output);
      if (report.judged === 0 && report.bad.count > 0) context.exit = ExitCode.Usage;
      else if (report.denied > 0) context.exit = ExitCode.No;
    });
  withExamples(command, [
    [
      "find /etc -type f | aegisbpf policy simulate policy.yaml --events - --uid 33",
      "what a user could no longer read",
    ],
    ["aegisbpf policy simulate new.yaml --events /var/log/aegisbpf/events.json", "against what was recorded"],
  ]);
}

async function candidate(path: string, context: Context): Promise<Policy | undefined> {
  const { bytes } = policyFile(path);
  const { parsePolicy } = await import("../policy/parse.ts");
  const result = parsePolicy(bytes, path);
  if (result.ok) {
    printWarnings(context.output, path, result.warnings);
    return result.policy;
  }
  printProblems(context.output, path, result.problems);
  context.exit = ExitCode.InvalidPolicy;
  return undefined;
}

/** What a log holds. It is opened when it is first asked for, and closed at the end, whichever comes. */
async function* logged(path: string): AsyncGenerator<Uint8Array> {
  if (path === "-") return yield* read(Deno.stdin, path);
  using file = await reading(path, () => Deno.open(path));
  if ((await file.stat()).isDirectory) {
    throw new CommandError(ExitCode.Usage, `${path} is a directory, not a log`);
  }
  yield* read(file, path);
}

async function* read(file: Pick<Deno.FsFile, "read">, path: string): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = new Uint8Array(READ_SIZE);
    const length = await reading(path, () => file.read(chunk));
    if (length === null) return;
    yield chunk.subarray(0, length);
  }
}

async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new CommandError(ExitCode.Usage, `cannot read ${path}: ${reasonOf(error)}`);
  }
}

/** Bytes. */
const READ_SIZE = 65536;

/** The report for people; its first line says it all. */
export function reportText(report: SimulationReport, policy: Policy, style: Output["style"]): string {
  const { denied, audited, allowed, judged, by, rows, omitted } = report;
  const verdict = denied > 0
    ? style.bad(`${denied} ${denied === 1 ? "access" : "accesses"} would be denied`)
    : style.good("nothing would be denied");
  const lines = [
    `${verdict}, ${audited} reported, ${allowed} let through: ${
      printable(policy.name)
    } (serial ${policy.serial}) ` +
    `against ${counted(judged, "line")}`,
  ];
  if (by.place > 0) {
    lines.push(`  ${by.place} about files that are not there now: judged as if they were made`);
  }
  if (by.replaced > 0) lines.push(`  ${by.replaced} about files that others have replaced: judged as both`);
  if (by.identity > 0) {
    lines.push(
      `  ${by.identity} about files that their paths do not lead to here: directories above them were not looked at`,
    );
  }
  if (omitted.denied + omitted.audited > 0) {
    lines.push(
      `  too many different rows: ${omitted.denied} denied and ${omitted.audited} reported are not in the table`,
    );
  }
  if (rows.length > 0) lines.push("", tableText(COLUMNS, rows.map(cells)).trimEnd());
  return `${lines.join("\n")}\n`;
}

const COLUMNS = [
  { heading: "ACTION" },
  { heading: "RULE" },
  { heading: "OP" },
  { heading: "CGROUP" },
  { heading: "EXECUTABLE" },
  { heading: "COUNT" },
  { heading: "SUCH AS" },
];

function cells({ action, rule, line, op, cgroup, exe, count, files }: SimulatedRow): string[] {
  const more = files.length > 1 ? " …" : "";
  return [
    action,
    `${rule}:${line}`,
    op,
    cgroup,
    exe === "" ? "-" : exe,
    String(count),
    `${files[0] ?? "-"}${more}`,
  ];
}

function printBadLines({ bad }: SimulationReport, log: string, output: Output): void {
  const shown = bad.lines.slice(0, SHOWN_BAD_LINES);
  for (const { line, reason } of shown) output.err(printable(`${log}:${line}: ${reason}`));
  if (bad.count === 0) return;
  const rest = bad.count > shown.length ? `, of which ${shown.length} are shown` : "";
  output.err(`aegisbpf: ${counted(bad.count, "line")} could not be judged${rest}`);
}

const SHOWN_BAD_LINES = 10;
