/**
 * `aegisbpf explain --event`: what a recorded event says, and what the rules make of the same operation now.
 *
 * @module
 */
import type { ExplainReport } from "../agent/api.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import type { DecisionEvent } from "../events/event.ts";
import { recordFolder } from "../events/record_files.ts";
import { parseEvent, RecordedLines } from "../events/recorded.ts";
import { textLine } from "../events/text.ts";
import { AgentClient, AgentError, RefusedError } from "./client.ts";
import type { Context } from "./context.ts";
import { readError } from "./events.ts";
import { explainText } from "./explain.ts";
import { CommandError } from "./failure.ts";
import { jsonText, printable } from "./output.ts";

/** What the rules make of it now, and what keeps that from being the same question. */
interface Now {
  readonly report: ExplainReport | null;
  readonly notes: readonly string[];
}

/**
 * Explains a recorded event.
 *
 * @throws {CommandError} 1 if it is not recorded, 2 if the records cannot be read.
 */
export async function explainEvent(
  id: string,
  { json }: { readonly json: boolean },
  context: Context,
): Promise<void> {
  const folder = recordFolder(context.locations().state);
  const event = findEvent(folder, id);
  if (event === undefined) {
    throw new CommandError(
      ExitCode.No,
      `no event ${printable(id)} is recorded; see aegisbpf events, the oldest may be gone`,
    );
  }
  const now = await askNow(event, context.locations().socket);
  const { output } = context;
  if (json) output.out(jsonText({ event, now: now.report, notes: now.notes }));
  else {
    const lines = [...eventLines(event), "", ...now.notes.map((note) => `  ${printable(note)}`)];
    const report = now.report
      ? `as the rules stand now, ${explainText(now.report, undefined, output.style)}`
      : "";
    output.out(`${lines.join("\n")}\n${report}`);
  }
  if (now.report === null) context.exit = ExitCode.Usage;
  else if (now.report.decision === "deny") context.exit = ExitCode.No;
}

function findEvent(folder: string, id: string): DecisionEvent | undefined {
  try {
    using lines = new RecordedLines(folder);
    const part = JSON.stringify(id);
    for (const line of lines.take()) {
      const event = line.includes(part) ? parseEvent(line) : undefined;
      if (event?.id === id) return event;
    }
    return undefined;
  } catch (error) {
    throw readError(error, folder);
  }
}

function eventLines({ file, process, policy, ...event }: DecisionEvent): string[] {
  const { cgroup } = process;
  return [
    textLine({ file, process, policy, ...event }),
    `then: rule ${event.rule} of policy ${policy.name} (serial ${policy.serial}, sha256 ${
      policy.sha256.slice(0, 12)
    }), ` +
    `by ${event.backend}`,
    `file: ${file.path} ${file.dev}:${file.ino}:${file.gen} (${SOURCES[file.path_source]})`,
    `process: ${
      process.exe || process.comm
    }, pid ${process.pid} of ${process.ppid}, uid ${process.uid}, gid ` +
    `${process.gid}, cgroup ${cgroup.path} (id ${cgroup.id})`,
  ].map(printable);
}

const SOURCES: Readonly<Record<DecisionEvent["file"]["path_source"], string>> = {
  kernel: "the path that was opened",
  rule: "a path of the rule; the one that was opened is not known",
  argument: "the path that was asked for",
};

/** Asks the agent the event's question again. */
async function askNow(event: DecisionEvent, socket: string): Promise<Now> {
  if (event.action === "rebound") {
    return { report: null, notes: ["nothing was decided: a rule's file changed"] };
  }
  const { file, process } = event;
  const query = new URLSearchParams({
    path: file.path,
    op: event.op,
    cgroup: process.cgroup.path || `id:${process.cgroup.id}`,
    uid: String(process.uid),
  });
  const bare = `/v1/explain?${query}`;
  using client = new AgentClient(socket);
  try {
    if (process.exe === "") return answer(event, await client.get<ExplainReport>(bare));
    try {
      query.set("exe", process.exe);
      return answer(event, await client.get<ExplainReport>(`/v1/explain?${query}`));
    } catch (error) {
      // A container's executable may not be there, as seen from here.
      if (!(error instanceof RefusedError)) throw error;
      const note = `asked without the executable: ${error.message}`;
      return answer(event, await client.get<ExplainReport>(bare), [note]);
    }
  } catch (error) {
    if (!(error instanceof AgentError || error instanceof RefusedError)) throw error;
    return { report: null, notes: [`what the rules make of it now cannot be told: ${error.message}`] };
  }
}

function answer({ file, policy }: DecisionEvent, report: ExplainReport, notes: readonly string[] = []): Now {
  const then = `${file.dev}:${file.ino}:${file.gen}`;
  const others = [...notes];
  if (report.file.identity !== undefined && report.file.identity !== then) {
    others.push(`another file stands at ${file.path} now: ${report.file.identity}, it was ${then}`);
  }
  if (report.policy.serial !== policy.serial || report.policy.name !== policy.name) {
    others.push(`another policy is in force now: ${report.policy.name}, serial ${report.policy.serial}`);
  }
  return { report, notes: others };
}
