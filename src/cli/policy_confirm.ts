/**
 * `aegisbpf policy confirm`: lets a policy stay that was applied with --confirm-within.
 *
 * @module
 */
import type { ApplyResult } from "../agent/api.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent } from "./definition.ts";
import { jsonText } from "./output.ts";
import { describedPolicy } from "./policy_apply.ts";

/** Adds the command. */
export function addPolicyConfirm(parent: Parent, context: Context): void {
  parent.command("confirm")
    .summary("let a policy stay that was applied with --confirm-within")
    .description(
      "Lets a policy stay that was applied with --confirm-within. Exit code 1: none waits, or its time has run out and " +
        "the policy before it is in force again.",
    )
    .option(...JSON_OPTION)
    .action(async ({ json }) => {
      using client = new AgentClient(context.locations().socket);
      const result = await client.post<ApplyResult>("/v1/policy/confirm", {});
      context.output.out(json ? jsonText(result) : `confirmed ${describedPolicy(result.policy)}\n`);
    });
}
