/**
 * `aegisbpf events`: what the recorder kept, also while no agent runs.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import { VERSION } from "../agent/version.ts";
import { ecsOf } from "../events/ecs.ts";
import type { DecisionEvent } from "../events/event.ts";
import { type HostFacts, ocsfOf } from "../events/ocsf.ts";
import { recordFolder } from "../events/record_files.ts";
import { parseEvent, RecordedLines } from "../events/recorded.ts";
import { parseStateEvent, type StateEvent } from "../events/state_event.ts";
import { stateLine, textLine } from "../events/text.ts";
import type { Context } from "./context.ts";
import { choiceOption, JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { CommandError } from "./failure.ts";
import { counted, type Output } from "./output.ts";
import { parseSince } from "./since.ts";

/** Adds the command. */
export function addEvents(parent: Parent, context: Context): void {
  const command = parent.command("events")
    .summary("show recorded decisions")
    .description(
      "Shows the decisions that the agent recorded in its state directory, oldest first, one a line. It reads the " +
        "recorder's files, so it needs no agent. What the agent says of itself (a backend that cannot enforce, an " +
        "emergency stop and the like) stands among them in the formats text and json. Equal decisions in one second stand in one event, with their count; " +
        "exact numbers are in stats. Exit status: 0 also where nothing matches, 1 where nothing was ever recorded.",
    )
    .option("-f, --follow", "go on with new ones as they come")
    .option("--since <TIME>", "only those since then: 2026-01-31T12:00:00Z, or a time ago: 1h", (text) => {
      return parseSince(text);
    })
    .option("--rule <ID>", "only those of this rule")
    .addOption(
      choiceOption("--format <FORMAT>", "how to print them", ["text", "json", "ocsf", "ecs"]).default(
        "text" as const,
      ),
    )
    .option(...JSON_OPTION)
    .action(async ({ follow, since, rule, format, json }) => {
      const wanted = {
        ...(since === undefined ? {} : { since }),
        ...(rule === undefined ? {} : { rule }),
      };
      const folder = recordFolder(context.locations().state);
      using printer = new EventPrinter(folder, wanted, FORMATS[json ? "json" : format], context.output);
      printer.print();
      while (follow && !context.output.closed) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        printer.print();
      }
    });
  withExamples(command, [
    ["aegisbpf events --since 1h", "what was decided in the last hour"],
    ["aegisbpf events --follow --format ecs", "feed a log shipper"],
    ["aegisbpf events --rule tls-keys --json", "events as the agent wrote them, to filter with jq"],
  ]);
}

/** How often new events are looked for, milliseconds. */
const LOOK_MS = 200;
/** Printed at once; a reader like `head` may go away after the first of them. */
const BATCH = 500;

interface Format {
  decision(event: DecisionEvent, line: string, host: HostFacts): string;
  /** None where the format has no form for what the agent says of itself. */
  state(event: StateEvent, line: string): readonly string[];
}

const FORMATS: Readonly<Record<"text" | "json" | "ocsf" | "ecs", Format>> = {
  text: { decision: (event) => textLine(event), state: (event) => [stateLine(event)] },
  json: { decision: (_event, line) => line, state: (_event, line) => [line] },
  ocsf: { decision: (event, _line, host) => JSON.stringify(ocsfOf(event, host)), state: () => [] },
  ecs: { decision: (event, _line, host) => JSON.stringify(ecsOf(event, host)), state: () => [] },
};

/** Which events are wanted. */
interface Wanted {
  /** Milliseconds of Unix time. */
  readonly since?: number;
  readonly rule?: string;
}

class EventPrinter implements Disposable {
  readonly #folder: string;
  readonly #wanted: Wanted;
  readonly #format: Format;
  readonly #output: Output;
  readonly #lines: RecordedLines;
  readonly #host: HostFacts = { hostname: Deno.hostname(), version: VERSION };
  #damaged = 0;
  #told = 0;

  constructor(folder: string, wanted: Wanted, format: Format, output: Output) {
    this.#folder = folder;
    this.#wanted = wanted;
    this.#format = format;
    this.#output = output;
    this.#lines = new RecordedLines(folder, wanted.since === undefined ? {} : { sinceMs: wanted.since });
  }

  /**
   * Prints what is there by now and was not printed before.
   *
   * @throws {CommandError} if it cannot be read.
   */
  print(): void {
    try {
      this.#printAll();
    } catch (error) {
      throw readError(error, this.#folder);
    }
    const damaged = this.#damaged + this.#lines.damaged;
    if (damaged > this.#told) {
      this.#output.err(`aegisbpf: passed over ${counted(damaged - this.#told, "damaged line")}`);
      this.#told = damaged;
    }
  }

  [Symbol.dispose](): void {
    this.#lines[Symbol.dispose]();
  }

  #printAll(): void {
    let batch: string[] = [];
    const flush = () => {
      if (batch.length > 0) this.#output.out(`${batch.join("\n")}\n`);
      batch = [];
    };
    for (const line of this.#lines.take()) {
      const event = parseEvent(line);
      if (event !== undefined) {
        if (this.#wants(event)) batch.push(this.#format.decision(event, line, this.#host));
      } else this.#addState(line, batch);
      if (batch.length < BATCH) continue;
      flush();
      if (this.#output.closed) return;
    }
    flush();
  }

  #addState(line: string, batch: string[]): void {
    const event = parseStateEvent(line);
    if (event === undefined) this.#damaged++;
    else if (this.#wants(event)) batch.push(...this.#format.state(event, line));
  }

  #wants({ rule, time }: { readonly rule?: string; readonly time: string }): boolean {
    const { since, rule: id } = this.#wanted;
    return (id === undefined || rule === id) && (since === undefined || Date.parse(time) >= since);
  }
}

/** Why recorded events cannot be read, as a failure of a command; what is a defect stays what it is. */
export function readError(error: unknown, folder: string): unknown {
  if (error instanceof Deno.errors.NotFound) {
    const hint = "an agent makes it with its first event, unless it runs with --record off";
    return new CommandError(ExitCode.No, `no events are recorded: there is no ${folder}; ${hint}`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new CommandError(ExitCode.Usage, `${folder} is not for this user; run this as root`);
  }
  return error;
}
