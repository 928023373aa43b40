/**
 * `aegisbpf policy history`: what became of policies on this host, and whether anybody has changed the record of it. It
 * reads files and pins itself: the history is wanted most when no agent answers.
 *
 * @module
 */
import { SystemError } from "../../ffi/errno.ts";
import { LibbpfError } from "../../ffi/library.ts";
import { historyFiles, readHistory } from "../agent/history.ts";
import type { HistoryEntry, VerifiedHistory } from "../agent/history_chain.ts";
import type { Locations } from "../agent/locations.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import { Anchor } from "../kernel/anchor.ts";
import { Pins } from "../kernel/pins.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { CommandError } from "./failure.ts";
import { counted, jsonText, printable } from "./output.ts";
import { tableText } from "./table.ts";

/** Adds the command. */
export function addPolicyHistory(parent: Parent, context: Context): void {
  const command = parent.command("history")
    .summary("show what became of policies, and whether that record is whole")
    .description(
      "Shows each policy that was applied, refused, confirmed, rolled back or taken back, and verifies the chain of " +
        "hashes between the entries, as well as where they end. Exit code 1: entries were changed, or are missing.",
    )
    .option(...JSON_OPTION)
    .action(({ json }) => {
      const { output } = context;
      const { entries, head, problems, torn } = read(context.locations());
      const report = { ok: problems.length === 0, entries, head, problems, torn };
      output.out(json ? jsonText(report) : tableText(COLUMNS, entries.map(row)));
      for (const problem of problems) output.err(`aegisbpf: history: ${printable(problem)}`);
      if (torn > 0) {
        output.err(`aegisbpf: the last ${counted(torn, "byte")} of the history are no whole entry (yet)`);
      }
      if (problems.length > 0) context.exit = ExitCode.No;
    });
  withExamples(command, [["aegisbpf policy history --json", "verify it in a script, by the exit code"]]);
}

function read(places: Locations): VerifiedHistory {
  try {
    using anchor = findAnchor(places);
    return readHistory(historyFiles(places.state), anchor);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new CommandError(
        ExitCode.Usage,
        `the history in ${places.state} is not for this user; run this as root`,
      );
    }
    throw error;
  }
}

/** Where the kernel cannot be asked, what it knows cannot be held against the files. */
function findAnchor(places: Locations): Anchor | undefined {
  try {
    useShippedLibbpf();
    return Anchor.find(new Pins(places.pins).folder);
  } catch (error) {
    if (error instanceof SystemError || error instanceof LibbpfError) return undefined;
    throw error;
  }
}

const COLUMNS = [
  { heading: "ENTRY", align: "right" },
  { heading: "TIME" },
  { heading: "WHAT" },
  { heading: "RESULT" },
  { heading: "SERIAL", align: "right" },
  { heading: "POLICY" },
  { heading: "SHA256" },
  { heading: "SIGNER" },
  { heading: "REASON" },
] as const;

function row({ seq, time, what, result, serial, name, sha256, signer, reason }: HistoryEntry): string[] {
  return [
    String(seq),
    time.replace(/\.\d+Z$/, "Z"),
    what,
    result,
    serial === undefined ? "" : String(serial),
    name ?? "",
    sha256?.slice(0, 12) ?? "",
    signer ?? "",
    reason ?? "",
  ];
}
