/**
 * The whole command line: finds the command, runs it, and turns whatever happens into an exit code.
 *
 * @module
 */
import { Command, CommanderError } from "@commander-js/extra-typings";
import { ExitCode } from "../agent/exit_codes.ts";
import type { AddCommand } from "./commands.ts";
import type { Context } from "./context.ts";
import { type Parent, withExamples } from "./definition.ts";
import { reportFailure } from "./failure.ts";
import { addRun } from "./run.ts";
import { VERSION } from "../agent/version.ts";

/** Runs a command line; `args` as in `Deno.args`. */
export async function runCommandLine(args: readonly string[], context: Context): Promise<ExitCode> {
  try {
    await buildProgram(context, await commandsFor(args)).parseAsync([...args], { from: "user" });
    return context.exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Done : ExitCode.Usage;
    return reportFailure(error, context.output);
  }
}

/** All commands, or the agent's alone: it starts sooner without what the others are made of. */
async function commandsFor([command]: readonly string[]): Promise<readonly AddCommand[]> {
  return command === "run" ? [addRun] : (await import("./commands.ts")).COMMANDS;
}

/** The tree of commands; help, completions and the manual are made from it as well. */
export function buildProgram(context: Context, commands: readonly AddCommand[]): Parent {
  const program = new Command("aegisbpf")
    .description("Denies the opening of files in the kernel, by a policy of paths, inodes and cgroups.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.output.out(text),
      writeErr: (text) => context.output.err(text.replace(/\n$/, "")),
      outputError: (text, write) => write(text.replace(/^error: /, "aegisbpf: ")),
      getOutHelpWidth: () => context.output.columns ?? 100,
      getErrHelpWidth: () => 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  withExamples(program, [
    ["aegisbpf health", "what this host gets right now"],
    ["aegisbpf policy validate web.yaml && aegisbpf policy apply web.yaml", "put a policy into force"],
  ]);
  for (const add of commands) add(program, context);
  expectUsage(program, "");
  return program;
}

/** Every complaint about bad usage ends with the form that was expected. */
function expectUsage(command: Parent, parents: string): void {
  const path = `${parents}${command.name()}`;
  command.showHelpAfterError(`Expected: ${path} ${command.usage()}\nSee ${path} --help`);
  for (const child of command.commands) expectUsage(child, `${path} `);
}
