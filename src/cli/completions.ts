/**
 * `aegisbpf completions`: scripts that let a shell complete this command line.
 *
 * @module
 */
import { Argument } from "@commander-js/extra-typings";
import { bashCompletion } from "./completion_bash.ts";
import { fishCompletion } from "./completion_fish.ts";
import { zshCompletion } from "./completion_zsh.ts";
import { commandInfo } from "./command_info.ts";
import type { Context } from "./context.ts";
import { oneOf, type Parent, withExamples } from "./definition.ts";

/** Adds the command. */
export function addCompletions(parent: Parent, context: Context): void {
  const command = parent.command("completions")
    .summary("print a shell's completion script")
    .description("Prints the script that lets a shell complete this command line.")
    .addArgument(
      new Argument("<SHELL>", "the shell").choices(SHELLS).argParser((value: string) => oneOf(value, SHELLS)),
    )
    .action((shell) => context.output.out(SCRIPTS[shell](commandInfo(parent))));
  withExamples(command, [
    ["aegisbpf completions bash >/etc/bash_completion.d/aegisbpf", "for every user of bash"],
    ["aegisbpf completions fish >~/.config/fish/completions/aegisbpf.fish", "for your own fish"],
  ]);
}

const SHELLS = ["bash", "zsh", "fish"] as const;
const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
