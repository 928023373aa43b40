/**
 * `aegisbpf policy rollback`: puts a policy into force again that was before.
 *
 * @module
 */
import { InvalidArgumentError } from "@commander-js/extra-typings";
import type { ApplyResult, RollbackRequest } from "../agent/api.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { jsonText } from "./output.ts";
import { APPLY_MS, describedPolicy } from "./policy_apply.ts";

/** Adds the command. */
export function addPolicyRollback(parent: Parent, context: Context): void {
  const command = parent.command("rollback")
    .summary("go back to an earlier policy")
    .description(
      "Puts a policy into force again that was before, at one stroke: by default the one with the next lower serial. " +
        "While a policy waits for confirmation, that is the one that would come back. The last 32 are kept. It does not " +
        "lower the serial that a new policy has to have. Exit code 1: there is no such policy; 5: its signature is " +
        "refused.",
    )
    .option("--to <SERIAL>", "go back to the policy with this serial", serialOf)
    .option(...JSON_OPTION)
    .action(async ({ to, json }) => {
      const request: RollbackRequest = to === undefined ? {} : { to };
      using client = new AgentClient(context.locations().socket);
      const result = await client.post<ApplyResult>("/v1/policy/rollback", request, { timeoutMs: APPLY_MS });
      const did = result.applied ? "rolled back to" : "unchanged, in force already:";
      context.output.out(json ? jsonText(result) : `${did} ${describedPolicy(result.policy)}\n`);
    });
  withExamples(command, [
    ["aegisbpf policy rollback", "to the policy before this one"],
    ["aegisbpf policy rollback --to 7", "to the policy with serial 7"],
  ]);
}

function serialOf(text: string): number {
  const serial = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(serial) || serial < 1) {
    throw new InvalidArgumentError("Expected a serial: a whole number from 1.");
  }
  return serial;
}
