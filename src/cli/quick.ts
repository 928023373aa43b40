/**
 * Answers what monitors ask all day, without the libraries that the other commands need.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import type { Context } from "./context.ts";
import { reportFailure } from "./failure.ts";
import { VERSION } from "../agent/version.ts";

/**
 * The exit code of `--version` and of `health` with nothing but options it knows; undefined for anything else, which
 * the whole command line must look at.
 */
export async function quickAnswer(args: readonly string[], context: Context): Promise<ExitCode | undefined> {
  const [command = "", ...options] = args;
  if (args.length === 1 && (command === "--version" || command === "-V")) {
    context.output.out(`${VERSION}\n`);
    return ExitCode.Done;
  }
  // What prove starts itself again with: nothing for a person, and so nothing for the help.
  if (command === "prove-attempt" && options.length === 1) {
    return (await import("./prove_attempt.ts")).proveAttempts(options[0] ?? "");
  }
  const known = options.every((option) => option === "--json" || option === "--require-enforce");
  if (command !== "health" || !known) return undefined;
  const { health } = await import("./health.ts");
  try {
    return await health({
      json: options.includes("--json"),
      requireEnforce: options.includes("--require-enforce"),
    }, context);
  } catch (error) {
    return reportFailure(error, context.output);
  }
}
