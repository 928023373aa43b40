/**
 * `aegisbpf policy show`: the policy in force, and where each of its targets stands.
 *
 * @module
 */
import type { PolicyView, RuleView } from "../agent/api.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent } from "./definition.ts";
import { counted, jsonText, type Output, printable } from "./output.ts";
import { tableText } from "./table.ts";
import { Option } from "@commander-js/extra-typings";

/** Adds the command. */
export function addPolicyShow(parent: Parent, context: Context): void {
  parent.command("show")
    .summary("show the policy in force")
    .description(
      "Shows the policy in force: its rules, what they do on this host, and whether each target is bound to a file " +
        "or waiting for one.",
    )
    .option(...JSON_OPTION)
    .addOption(new Option("--source", "the policy as it was applied, byte for byte").conflicts("json"))
    .action(async ({ json, source }) => {
      const { output } = context;
      using client = new AgentClient(context.locations().socket);
      if (source) return output.out(await client.getBytes("/v1/policy/source"));
      const view = await client.get<PolicyView>("/v1/policy");
      output.out(json ? jsonText(view) : policyText(view, output.style));
    });
}

/** The policy for people. */
export function policyText(view: PolicyView, style: Output["style"]): string {
  const waiting = view.waiting > 0 ? `, ${counted(view.waiting, "path")} waiting` : "";
  const lines = [
    style.heading(`${printable(view.name)} (serial ${view.serial}), ${view.mode}`) +
    `: ${counted(view.rules, "rule")}${view.by_hand ? `, ${view.by_hand} of them by hand` : ""}${waiting}`,
    `  applied ${view.applied} from ${printable(view.file)}, generation ${view.generation}`,
    `  sha256 ${view.sha256}, ${view.signer === null ? "unsigned" : `signed by ${printable(view.signer)}`}`,
  ];
  if (view.allow.cgroups.length > 0) {
    lines.push(`  exempt cgroups: ${view.allow.cgroups.map(printable).join(", ")}`);
  }
  for (const { cgroup, expires } of view.allow.by_hand ?? []) {
    lines.push(`  exempt by hand: ${printable(cgroup)}${expires === null ? "" : ` until ${expires}`}`);
  }
  for (const { rule, path, state } of view.mounts ?? []) {
    const why = state === "covered" ? "" : ", as the host does not run without it";
    lines.push(`  mounted below a directory of ${rule}: ${printable(path)}, ${state}${why}`);
  }
  return `${lines.join("\n")}\n\n${tableText(COLUMNS, view.rule_list.flatMap(ruleRows))}`;
}

const COLUMNS = ["RULE", "EFFECT", "OPERATIONS", "IN", "TARGET", "STATE"].map((heading) => ({ heading }));

function ruleRows({ id, expires, effect, deny, in: scopes, targets }: RuleView): string[][] {
  const where = scopes.length === 0 ? "everywhere" : scopes.join(",");
  const rule = [id, effect, deny.join(","), expires === undefined ? where : `${where}, until ${expires}`];
  // Every rule has a target, as far as this version knows; a row without one still shows the rule.
  if (targets.length === 0) return [rule];
  return targets.map(({ target, state, identity }, index) => [
    ...(index === 0 ? rule : rule.map(() => "")),
    target,
    identity === undefined ? state : `${state} ${identity}`,
  ]);
}
