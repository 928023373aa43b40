/**
 * A policy file on its way into a command, and what is wrong with it on its way out.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import { formatProblem, type Problem } from "../policy/problem.ts";
import { type PolicyFile, PolicyFileError, readPolicyFile } from "../policy/read.ts";
import { CommandError } from "./failure.ts";
import { type Output, printable } from "./output.ts";

/**
 * Reads a policy file, once.
 *
 * @throws {CommandError} with `Usage` if it cannot be read or must not be trusted.
 */
export function policyFile(path: string): PolicyFile {
  try {
    return readPolicyFile(path);
  } catch (error) {
    if (error instanceof PolicyFileError) throw new CommandError(ExitCode.Usage, error.message);
    throw error;
  }
}

/** Prints problems, a line each, with the file's name as the user gave it. */
export function printProblems(output: Output, file: string, problems: readonly Problem[]): void {
  for (const problem of problems) output.err(problemLine({ ...problem, file }));
}

/** Prints warnings likewise. */
export function printWarnings(output: Output, file: string, warnings: readonly Problem[]): void {
  for (const { message, ...place } of warnings) {
    output.err(problemLine({ ...place, file, message: `warning: ${message}` }));
  }
}

function problemLine(problem: Problem): string {
  return printable(formatProblem(problem));
}
