/**
 * `aegisbpf explain`: which rule decides about an operation, why, and what would turn it.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import type { ExplainedRule, ExplainReport } from "../agent/api.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import { OPERATIONS } from "../policy/operations.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { explainEvent } from "./explain_event.ts";
import { choiceOption, JSON_OPTION, type Parent, userId, withExamples } from "./definition.ts";
import { findOtherNames, type OtherNames } from "./other_names.ts";
import { counted, jsonText, type Output, printable } from "./output.ts";

/** Adds the command. */
export function addExplain(parent: Parent, context: Context): void {
  const command = parent.command("explain")
    .summary("say which rule decides about a file, and why")
    .description(
      "Says what the rules in the kernel make of an operation on a file by a caller: the decision, the rule and its " +
        "line, every other rule that names the file and why it did not decide, the file's other names, and the " +
        "smallest change that would turn the decision. Nothing is opened. Exit status: 0 where it is let through, " +
        "1 where it is denied, or no such event is recorded, 2 where it cannot be told. Permissions of the file are not " +
        "looked at.",
    )
    .argument("[PATH]", "the file; it need not exist yet")
    .option(
      "--event <ID>",
      "instead of a file: a recorded event, by its id, and what the rules make of it now",
    )
    .addOption(
      choiceOption("--op <OP>", "the operation", OPERATIONS).default("read" as const).conflicts("event"),
    )
    .addOption(
      new Option("--cgroup <CGROUP>", "the caller's cgroup, by path or as id:N").default("/").conflicts(
        "event",
      ),
    )
    .addOption(
      new Option("--uid <UID>", "the caller's user").default("0").argParser(userId).conflicts("event"),
    )
    .addOption(new Option("--exe <FILE>", "the executable that the caller runs").conflicts("event"))
    .option(...JSON_OPTION)
    .action(async (path, { event, op, cgroup, uid, exe, json }) => {
      if ((path === undefined) === (event === undefined)) {
        command.error("error: expected a PATH, or --event ID");
      }
      if (path === undefined) return await explainEvent(event ?? "", { json: json === true }, context);
      using client = new AgentClient(context.locations().socket);
      const query = new URLSearchParams({ path: absolute(path), op, cgroup, uid });
      if (exe !== undefined) query.set("exe", absolute(exe));
      const report = await client.get<ExplainReport>(`/v1/explain?${query}`);
      const names = report.file.state === "there" && (report.file.links ?? 1) > 1
        ? findOtherNames(report.file.path)
        : undefined;
      const { output } = context;
      output.out(
        json ? jsonText({ ...report, ...jsonNames(names) }) : explainText(report, names, output.style),
      );
      if (report.decision === "deny") context.exit = ExitCode.No;
    });
  withExamples(command, [
    ["aegisbpf explain /etc/shadow", "whether root may read it, outside of every service"],
    [
      "aegisbpf explain /srv/key --op write --cgroup /system.slice/nginx.service --uid 33",
      "for one caller",
    ],
    ["aegisbpf explain --event 1kq3v8x2f9a-0", "why that was decided, and what would change it"],
  ]);
}

/** The report for people; its first line says it all. */
export function explainText(
  report: ExplainReport,
  names: OtherNames | undefined,
  style: Output["style"],
): string {
  const { decision, file, rules, notes, change, policy } = report;
  const paint = { deny: style.bad, audit: style.doubtful, allow: style.good }[decision];
  const lines = [`${paint(decision)}: ${summary(report)}`, ...notes.map((note) => `  ${printable(note)}`)];
  lines.push("", `file: ${printable(file.path)} ${file.identity ?? "(not there)"}`);
  if (file.behind) lines.push(`behind it: ${printable(file.behind.path)} ${file.behind.identity}`);
  if (names) lines.push(...namesLines(names, file.links ?? 1));
  if (rules.length === 0) lines.push("rules that name it: none");
  for (const rule of rules) lines.push(...ruleLines(rule));
  const steps = change?.steps ?? [];
  if (change && steps.length > 0) {
    lines.push(`to ${change.to} it: ${steps.map(printable).join("; ")}`);
  }
  const source = policy.file === null ? "" : ` from ${printable(policy.file)}`;
  lines.push(`policy: ${printable(policy.name)} (serial ${policy.serial})${source}, by ${report.backend}`);
  return `${lines.join("\n")}\n`;
}

function summary({ op, file, caller, rule, condition, policy }: ExplainReport): string {
  const exe = caller.exe ? ` running ${caller.exe.path}` : "";
  const what = `${op} of ${file.path} by uid ${caller.uid}${exe} in ${caller.cgroup.path}`;
  if (rule === null) return printable(`${what}: ${condition}`);
  const place = rule.line === null || policy.file === null ? "" : ` (${baseName(policy.file)}:${rule.line})`;
  return printable(`${what}: rule ${rule.id}${place}, ${condition}`);
}

function ruleLines({ id, origin, line, target, decides, why }: ExplainedRule): string[] {
  const at = origin === "hand" ? ", by hand" : line === null ? "" : `, line ${line}`;
  const targetAt = target === null || line === null || target.line === line
    ? ""
    : `, its target line ${target.line}`;
  return [
    `rule ${printable(id)}${at}${targetAt}${decides ? ", decides" : ""}:`,
    ...why.map((reason) => `  ${printable(reason)}`),
  ];
}

function namesLines({ names, complete, reason }: OtherNames, links: number): string[] {
  const rest = complete ? "" : ` (${reason})`;
  return [
    `${counted(links, "name")}, others found: ${names.length === 0 ? "none" : names.length}${rest}`,
    ...names.map((name) => `  ${printable(name)}`),
  ];
}

function jsonNames(names: OtherNames | undefined): { readonly other_names: OtherNames } {
  return { other_names: names ?? { names: [], complete: true } };
}

/** As the kernel would take it from here: `..` after a symbolic link is left for it to follow. */
function absolute(path: string): string {
  return path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
