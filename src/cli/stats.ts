/**
 * `aegisbpf stats`: how much was denied and reported, exactly.
 *
 * @module
 */
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { STATS_KEYS, type StatsReport } from "../agent/api.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { choiceOption, JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { jsonText } from "./output.ts";
import { statsText } from "./stats_view.ts";

/** Adds the command. */
export function addStats(parent: Parent, context: Context): void {
  const command = parent.command("stats")
    .summary("count what was denied and reported")
    .description(
      "Counts what was denied and what was only reported since the pins were made. The numbers are exact: they are " +
        "counted in the kernel, not from events.",
    )
    .addOption(choiceOption("--by <KEY>", "break the numbers down", STATS_KEYS))
    .option("--watch [SECONDS]", "look again and again, every second by default, until Ctrl-C", seconds)
    .option(...JSON_OPTION)
    .action(async ({ by, watch, json }) => {
      using client = new AgentClient(context.locations().socket);
      const look = () => client.get<StatsReport>(`/v1/stats${by === undefined ? "" : `?by=${by}`}`);
      if (watch !== undefined) await keepLooking(look, { every: watch === true ? 1 : watch, json }, context);
      else {
        const report = await look();
        context.output.out(json ? jsonText(report) : statsText(report));
      }
    });
  withExamples(command, [
    ["aegisbpf stats --by rule", "which rules are hit, and by which operation"],
    ["aegisbpf stats --by path --watch", "what is being hit just now"],
  ]);
}

/** Shows one look after the other until the agent does not answer; with `json`, one object a line. */
async function keepLooking(
  look: () => Promise<StatsReport>,
  { every, json }: { readonly every: number; readonly json: boolean | undefined },
  { output }: Context,
): Promise<never> {
  const isScreen = output.columns !== undefined && !json;
  let before: { readonly report: StatsReport; readonly at: number } | undefined;
  for (;;) {
    const report = await look();
    const at = performance.now();
    const text = json
      ? `${JSON.stringify(report)}\n`
      : statsText(report, before && { report: before.report, seconds: (at - before.at) / 1000 });
    output.out(isScreen ? `${CLEAR}${firstLines(text)}` : json ? text : `${text}\n`);
    before = { report, at };
    await new Promise((resolve) => setTimeout(resolve, every * 1000));
  }
}

/** To the top left, and nothing below. */
const CLEAR = "\x1b[H\x1b[J";

/** What the terminal has room for. */
function firstLines(text: string): string {
  const { rows } = Deno.consoleSize();
  const lines = text.split("\n");
  return lines.length <= rows ? text : `${lines.slice(0, rows - 2).join("\n")}\n…\n`;
}

function seconds(value: string): number {
  const number = Number(value);
  if (value.trim() !== "" && number >= 0.1 && number <= 3600) return number;
  throw new InvalidArgumentError("Expected seconds from 0.1 to 3600.");
}
