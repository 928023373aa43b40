/**
 * `aegisbpf policy validate FILE`: everything that is wrong with a policy, with no agent needed.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import type { Locations } from "../agent/locations.ts";
import type { Policy } from "../policy/model.ts";
import type { ParseResult } from "../policy/parse.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { counted, jsonText } from "./output.ts";
import { policyFile, printProblems, printWarnings } from "./policy_file.ts";

/** Adds the command. */
export function addPolicyValidate(parent: Parent, context: Context): void {
  const command = parent.command("validate")
    .summary("check a policy file")
    .description(
      "Checks a policy file without an agent. Every problem is told at once, as FILE:LINE:COLUMN: message, and " +
        "the exit code is 4 then. What would lock this host out is told as a warning. A file that cannot be read ends with 2, one that others could have written with 5.",
    )
    .argument("<FILE>", "policy in YAML or JSON")
    .option(...JSON_OPTION)
    .action(async (path, { json }) => {
      const { bytes } = policyFile(path);
      const result = await check(bytes, path, context.locations());
      if (!result.ok) context.exit = ExitCode.InvalidPolicy;
      if (json) {
        const { ok } = result;
        context.output.out(
          jsonText(ok ? { ok, problems: [], warnings: result.warnings } : { ok, problems: result.problems }),
        );
      } else if (result.ok) {
        printWarnings(context.output, path, result.warnings);
        context.output.out(`${path}: valid: ${summary(result.policy)}\n`);
      } else {
        printProblems(context.output, path, result.problems);
      }
    });
  withExamples(command, [["aegisbpf policy validate /etc/aegisbpf/policy.yaml", "before it is applied"]]);
}

/** What is wrong with a policy; and, as warnings, what `apply` would refuse on this host. */
async function check(bytes: Uint8Array, file: string, places: Locations): Promise<ParseResult> {
  const [{ parsePolicy }, { lockoutProblems }] = await Promise.all([
    import("../policy/parse.ts"),
    import("../agent/lockouts.ts"),
  ]);
  const result = parsePolicy(bytes, file);
  if (!result.ok) return result;
  const { policy, document } = result;
  const lockouts = lockoutProblems(policy, file, places, { document }).map(({ message, ...problem }) => ({
    ...problem,
    message: `${message} (apply refuses it here without --force)`,
  }));
  return { ...result, warnings: [...result.warnings, ...lockouts] };
}

function summary({ name, serial, mode, rules }: Policy): string {
  const paths = rules.reduce((sum, rule) => sum + rule.paths.length, 0);
  const inodes = rules.reduce((sum, rule) => sum + rule.inodes.length, 0);
  const targets = [counted(paths, "path"), ...(inodes > 0 ? [counted(inodes, "inode")] : [])].join(", ");
  return `${name} (serial ${serial}), ${mode}, ${counted(rules.length, "rule")}, ${targets}`;
}
