/**
 * `aegisbpf emergency`: breaks the glass. Nothing is refused for a while, what happens is still counted and reported.
 * Where no agent answers, the command does it by what is pinned in the kernel.
 *
 * @module
 */
import { InvalidArgumentError } from "@commander-js/extra-typings";
import {
  DEFAULT_EMERGENCY_S,
  type EmergencyChanged,
  type EmergencyDisable,
  type EmergencyView,
  MAX_EMERGENCY_S,
  reasonProblem,
} from "../agent/emergency_api.ts";
import { AgentClient, AgentError } from "./client.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { durationText, durationWithin } from "./duration.ts";
import { jsonText, printable, printAnswer } from "./output.ts";

/** Adds the group. */
export function addEmergency(parent: Parent, context: Context): void {
  const group = parent.command("emergency").summary("stop refusing for a while").description(
    "Breaks the glass: nothing is refused for a while, what would have been is reported as audit. It ends by itself, " +
      "in the kernel, also without an agent, is recorded, and health says so. Works without an agent too.",
  );
  addDisable(group, context);
  group.command("enable")
    .summary("refuse again")
    .description("Ends an emergency stop before its time. Where there is none, nothing changes.")
    .option(...JSON_OPTION)
    .action(async ({ json }) => {
      const body = loginUid();
      const changed = await ask<EmergencyChanged>(
        context,
        (client) => client.post("/v1/emergency/enable", body, BOUNDS),
        (emergency) => emergency.enable(body.login_uid),
      );
      const text = changed.was_active ? "decisions are enforced again" : "no emergency stop was on";
      printAnswer(context.output, changed, `${text}\n`, json);
    });
  group.command("status")
    .summary("tell whether an emergency stop is on")
    .description("Tells whether an emergency stop is on, why and for how long, and which there were before.")
    .option(...JSON_OPTION)
    .action(async ({ json }) => {
      const view = await ask<EmergencyView>(
        context,
        (client) => client.get("/v1/emergency", BOUNDS),
        (emergency) => emergency.view(),
      );
      context.output.out(json ? jsonText(view) : statusText(view));
    });
}

function addDisable(group: Parent, context: Context): void {
  const command = group.command("disable")
    .summary("stop refusing, for a while and for a reason")
    .description(
      "Stops refusing. An emergency stop that is on gets the new time and reason. Exit code 1: nothing is in the " +
        "kernel that could refuse.",
    )
    .requiredOption("--reason <TEXT>", "why, for the record", reasonOf)
    .option(
      "--for <TIME>",
      `how long, at most ${durationText(MAX_EMERGENCY_S)}; by default ${durationText(DEFAULT_EMERGENCY_S)}`,
      durationWithin({ least: 1, most: MAX_EMERGENCY_S }),
    )
    .option(...JSON_OPTION)
    .action(async ({ reason, for: seconds = DEFAULT_EMERGENCY_S, json }) => {
      const request: EmergencyDisable = { reason, for_s: seconds, ...loginUid() };
      const changed = await ask<EmergencyChanged>(
        context,
        (client) => client.post("/v1/emergency/disable", request, BOUNDS),
        (emergency) => emergency.disable(request),
      );
      const text = `nothing is refused until ${changed.until}; before that: aegisbpf emergency enable\n`;
      printAnswer(context.output, changed, text, json);
    });
  withExamples(command, [
    ['aegisbpf emergency disable --reason "restore of web-3, INC-4711" --for 30m', "for a restore"],
  ]);
}

/** A hung agent must not be in the way: after this, the pins are opened. */
const BOUNDS = { timeoutMs: 2000 };

/** Asks the agent; where none answers, does it by the pins. */
async function ask<Answer>(
  context: Context,
  byAgent: (client: AgentClient) => Promise<Answer>,
  byPins: (emergency: import("../agent/emergency.ts").Emergency) => Answer,
): Promise<Answer> {
  const places = context.locations();
  try {
    using client = new AgentClient(places.socket);
    return await byAgent(client);
  } catch (error) {
    if (!(error instanceof AgentError) || error.kind === "forbidden") throw error;
    const { withPinnedEmergency } = await import("./emergency_pinned.ts");
    const answer = withPinnedEmergency(places, error, byPins);
    context.output.err(`aegisbpf: ${error.message.split(";")[0]}: done by what is pinned in the kernel`);
    return answer;
  }
}

/** The status for people. */
export function statusText({ active, reason, since, until, remaining_s, history }: EmergencyView): string {
  const lines = [
    active
      ? `emergency stop: nothing is refused for ${durationText(remaining_s)}, until ${until}`
      : "no emergency stop is on",
  ];
  if (active) {
    lines.push(`  since ${since ?? "unknown"}: ${printable(reason ?? "the reason was not recorded")}`);
  }
  for (const { at, action, reason: why, until: end, login_uid, via } of history.slice(-SHOWN)) {
    const who = `${login_uid === undefined ? "" : ` by uid ${login_uid}`}${
      via === "pins" ? ", no agent" : ""
    }`;
    const what = action === "disable" ? `${action} until ${end}: ${printable(why ?? "")}` : action;
    lines.push(`  ${at}${who}: ${what}`);
  }
  return `${lines.join("\n")}\n`;
}

const SHOWN = 10;

function reasonOf(text: string): string {
  const problem = reasonProblem(text);
  if (problem !== undefined) {
    throw new InvalidArgumentError(`Expected a reason for the record, but ${problem}.`);
  }
  return text;
}

const NO_LOGIN = 4_294_967_295;

/** Who logged in to do this, whatever su and sudo made of them; see proc(5). */
function loginUid(): { readonly login_uid?: number } {
  try {
    const uid = Number(Deno.readTextFileSync("/proc/self/loginuid"));
    return uid === NO_LOGIN || !Number.isInteger(uid) ? {} : { login_uid: uid };
  } catch (error) {
    // The kernel may be without audit.
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}
