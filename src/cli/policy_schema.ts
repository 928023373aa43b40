/**
 * `aegisbpf policy schema`: the formats of policies and of events as JSON Schema.
 *
 * @module
 */
import type { Context } from "./context.ts";
import { type Parent, withExamples } from "./definition.ts";
import { jsonText } from "./output.ts";

/** Adds the command. */
export function addPolicySchema(parent: Parent, context: Context): void {
  const command = parent.command("schema")
    .summary("print the policy format as JSON Schema")
    .description("Prints the policy format as JSON Schema (draft 2020-12), for editors.")
    .option("--events", "the format of events instead")
    .option("--json", "accepted as everywhere; the schema is JSON in any case")
    .action(async ({ events }) => {
      const schema = events
        ? (await import("../events/schema.ts")).eventJsonSchema()
        : (await import("../policy/schema.ts")).policyJsonSchema();
      context.output.out(jsonText(schema));
    });
  withExamples(command, [["aegisbpf policy schema >aegisbpf-policy.json", "for an editor's YAML support"], [
    "aegisbpf policy schema --events",
    "what each line of `run --events` holds",
  ]]);
}
