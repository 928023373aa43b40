/**
 * A policy file on its way into a command, and what is wrong with it on its way out.
 *
 * @module
 */
import { ExitCode, isExitCode } from "../agent/exit_codes.ts";
import { fileRefusal } from "../agent/file_refusal.ts";
import { Refusal } from "../agent/refusal.ts";
import { readSignedFile, type SignedFile } from "../agent/signed_file.ts";
import { formatProblem, type Problem } from "../policy/problem.ts";
import { type PolicyFile, PolicyFileError, readPolicyFile } from "../policy/read.ts";
import { CommandError } from "./failure.ts";
import { type Output, printable } from "./output.ts";

/**
 * Reads a policy file, once.
 *
 * @throws {CommandError} if it cannot be read (`Usage`) or must not be trusted (`PolicyRefused`).
 */
export function policyFile(path: string): PolicyFile {
  try {
    return readPolicyFile(path);
  } catch (error) {
    if (error instanceof PolicyFileError) throw commandError(fileRefusal(error));
    throw error;
  }
}

/**
 * Reads a policy file and the signature beside it, each once.
 *
 * @throws {CommandError} as {@linkcode policyFile}.
 */
export function signedPolicyFile(path: string): SignedFile {
  try {
    return readSignedFile(path);
  } catch (error) {
    if (error instanceof PolicyFileError) throw commandError(fileRefusal(error));
    if (error instanceof Refusal) throw commandError(error);
    throw error;
  }
}

/** A refusal as the end of a command. */
export function commandError({ exit, message }: Refusal): CommandError {
  return new CommandError(isExitCode(exit) ? exit : ExitCode.Internal, message);
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
