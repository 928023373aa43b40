/**
 * `aegisbpf policy export`: the policy in force, in its canonical form.
 *
 * @module
 */
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { type Parent, withExamples } from "./definition.ts";
import { jsonText } from "./output.ts";

/** Adds the command. */
export function addPolicyExport(parent: Parent, context: Context): void {
  const command = parent.command("export")
    .summary("print the policy in force in canonical form")
    .description(
      "Prints the policy in force in canonical form: the same policy always gives the same text, defaults are left " +
        "out, comments are not kept. policy show --source prints what was applied.",
    )
    .option("--json", "print JSON, which is a policy too")
    .action(async ({ json }) => {
      using client = new AgentClient(context.locations().socket);
      const [source, { parsePolicy }, { exportPolicy, policyFields }] = await Promise.all([
        client.getBytes("/v1/policy/source"),
        import("../policy/parse.ts"),
        import("../policy/export.ts"),
      ]);
      const result = parsePolicy(source, "policy in force");
      if (!result.ok) {
        throw new Error(
          "Expected the policy in force to be valid; agent and command line may be of two versions",
        );
      }
      context.output.out(json ? jsonText(policyFields(result.policy)) : exportPolicy(result.policy));
    });
  withExamples(command, [["aegisbpf policy export >policy.yaml", "keep what runs"]]);
}
