/**
 * `aegisbpf man`: the manual, made from the same definitions as the help and the parser.
 *
 * @module
 */
import { Argument } from "@commander-js/extra-typings";
import { commandInfo } from "./command_info.ts";
import type { Context } from "./context.ts";
import { oneOf, type Parent, withExamples } from "./definition.ts";

/** Adds the command. */
export function addMan(parent: Parent, context: Context): void {
  const command = parent.command("man")
    .summary("print a manual page")
    .description(
      "Prints a manual page: 1, the commands; 5, the policy format, aegisbpf-policy(5); 8, the agent and its files.",
    )
    .addArgument(
      new Argument("[SECTION]", "section of the manual").choices(SECTIONS).default("1" as const)
        .argParser((value: string) => oneOf(value, SECTIONS)),
    )
    .action(async (section) => {
      const info = commandInfo(parent);
      switch (section) {
        case "1":
          return context.output.out((await import("./man_commands.ts")).commandsPage(info));
        case "5":
          return context.output.out((await import("./man_policy.ts")).policyPage());
        case "8":
          return context.output.out((await import("./man_agent.ts")).agentPage(info));
      }
    });
  withExamples(command, [
    ["aegisbpf man | man -l -", "read it"],
    ["aegisbpf man 5 >/usr/local/share/man/man5/aegisbpf-policy.5", "install it"],
  ]);
}

const SECTIONS = ["1", "5", "8"] as const;
