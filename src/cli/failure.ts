/**
 * Why a command could not do its work, and the one place where errors become exit codes and lines for a person.
 *
 * @module
 */
import { EnvironmentError } from "../agent/locations.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import { AgentError, RefusedError } from "./client.ts";
import { type Output, OutputError } from "./output.ts";

/** A command that ends early with an exit code and lines that say what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  /** @param details Further lines, each printed by itself after the message. */
  constructor(readonly exit: ExitCode, message: string, readonly details: readonly string[] = []) {
    super(message);
  }
}

/** Tells a failure on standard error and gives the exit code for it. */
export function reportFailure(error: unknown, output: Output): ExitCode {
  if (error instanceof CommandError) {
    output.err(`aegisbpf: ${error.message}`);
    for (const line of error.details) output.err(line);
    return error.exit;
  }
  if (error instanceof RefusedError) {
    output.err(`aegisbpf: ${error.message}`);
    return error.exit;
  }
  if (error instanceof AgentError || error instanceof EnvironmentError) {
    output.err(`aegisbpf: ${error.message}`);
    return ExitCode.Usage;
  }
  if (error instanceof OutputError) {
    output.err(`aegisbpf: ${error.message}`);
    return ExitCode.Internal;
  }
  output.err(`aegisbpf: internal error: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
  if (Deno.env.get("AEGISBPF_DEBUG") === "1" && error instanceof Error) output.err(error.stack ?? "");
  else output.err("aegisbpf: run it again with AEGISBPF_DEBUG=1 for the stack");
  return ExitCode.Internal;
}
