/**
 * `aegisbpf deny`: rules by hand, beside the policy.
 *
 * @module
 */
import type { DenyAdd, DenyAdded, DenyRemoved, HandRulesView, HandRuleView } from "../agent/hand_api.ts";
import { DEFAULT_OPERATIONS, OPERATIONS } from "../policy/operations.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, oneOf, type Parent, withExamples } from "./definition.ts";
import { endsText, TTL_OPTION } from "./hand.ts";
import { jsonText, printable, printAnswer } from "./output.ts";
import { tableText } from "./table.ts";

/** Adds the group. */
export function addDeny(parent: Parent, context: Context): void {
  const group = parent.command("deny").summary("deny a file by hand, beside the policy").description(
    "Rules by hand: kept apart from the policy, in force with it at one stroke, over restarts, and without a policy " +
      "too. Refused (exit code 5) where only signed policies are accepted.",
  );
  addAdd(group, context);
  group.command("remove")
    .summary("remove a rule by hand")
    .description("Removes a rule by hand. Exit code 1: there is none.")
    .argument("<RULE>", "its name, with or without hand:, or its target: all rules for it are removed")
    .option(...JSON_OPTION)
    .action(async (rule, { json }) => {
      using client = new AgentClient(context.locations().socket);
      const result = await client.post<DenyRemoved>("/v1/deny/remove", { rule: absolute(rule) });
      const lines = result.removed.map((view) => `removed ${described(view)}\n`);
      context.output.out(json ? jsonText(result) : lines.join(""));
    });
  group.command("list")
    .summary("list the rules by hand")
    .description("Lists the rules by hand, where each stands and when it ends.")
    .option(...JSON_OPTION)
    .action(async ({ json }) => {
      using client = new AgentClient(context.locations().socket);
      const view = await client.get<HandRulesView>("/v1/deny");
      context.output.out(json ? jsonText(view) : rulesText(view));
    });
}

function addAdd(group: Parent, context: Context): void {
  const command = group.command("add")
    .summary("deny a file from now on")
    .description(
      "Denies a file to everybody from now on. For a target and operations that are denied by hand already only the " +
        "time changes. Exit code 4: it would lock the host out.",
    )
    .argument("<TARGET>", "path of a file, DIR/** with all below it, or MAJOR:MINOR:INO[:GENERATION]")
    .option(
      "--ops <OPS>",
      `operations, separated by commas; by default ${DEFAULT_OPERATIONS.join(",")}`,
      opsOf,
    )
    .option(...TTL_OPTION)
    .option("--id <NAME>", "a name, for events and for remove; by default a number")
    .option("--force", "add it although it would lock the host out")
    .option(...JSON_OPTION)
    .action(async (target, { ops, ttl, id, force, json }) => {
      const request: DenyAdd = {
        target: absolute(target),
        ...(ops === undefined ? {} : { ops }),
        ...(ttl === undefined ? {} : { ttl_s: ttl }),
        ...(id === undefined ? {} : { id }),
        ...(force ? { force: true } : {}),
      };
      using client = new AgentClient(context.locations().socket);
      const result = await client.post<DenyAdded>("/v1/deny/add", request);
      printAnswer(context.output, result, `${result.result} ${described(result.rule)}\n`, json);
    });
  withExamples(command, [
    ["aegisbpf deny add /srv/leaked.key --ttl 1h", "nobody opens it for an hour"],
    ["aegisbpf deny add '/srv/incident/**' --ops write,delete --id incident", "keep a tree as it is"],
    [`aegisbpf deny add "$(stat -c %Hd:%Ld:%i FILE)"`, "by inode, whatever its name"],
  ]);
}

function opsOf(text: string): readonly string[] {
  return text.split(",").map((op) => oneOf(op, OPERATIONS));
}

/** As it is meant from here; an inode, a rule's name and an absolute path stay as they are. */
function absolute(target: string): string {
  return /^\.{0,2}[^/:]*\//.test(target) && !target.startsWith("/") ? `${Deno.cwd()}/${target}` : target;
}

function described({ id, target, deny, effect, state, ...lasting }: HandRuleView): string {
  const where = state === "waiting" ? ", waiting for it" : "";
  const what = effect === "deny" ? "deny" : "only report";
  return `${id}: ${what} ${deny.join(",")} of ${printable(target)}${where}, ${endsText(lasting)}`;
}

const COLUMNS = ["RULE", "EFFECT", "OPERATIONS", "TARGET", "STATE", "ENDS"].map((heading) => ({ heading }));

/** The rules for people. */
export function rulesText({ rules }: HandRulesView): string {
  if (rules.length === 0) return "no rules by hand\n";
  return tableText(
    COLUMNS,
    rules.map(({ id, effect, deny, target, state, identity, ...lasting }) => [
      id,
      effect,
      deny.join(","),
      target,
      identity === undefined ? state : `${state} ${identity}`,
      endsText(lasting),
    ]),
  );
}
