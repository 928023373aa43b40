/**
 * aegisbpf(1): every command, its options and examples.
 *
 * @module
 */
import { type CommandInfo, everyCommand } from "./command_info.ts";
import { environment, exitStatus, manualPage, sentence } from "./man_parts.ts";
import type { RoffPage } from "./roff.ts";

/** The page. */
export function commandsPage(program: CommandInfo): string {
  const page = manualPage("aegisbpf", "1");
  page.section("Name").paragraph("aegisbpf - deny the opening of files in the kernel");
  page.section("Synopsis").synopsis("aegisbpf", program.usage);
  page.section("Description").paragraph(program.description)
    .paragraph(
      "Results go to standard output, diagnostics to standard error. Commands talk to the agent over its " +
        "control socket, which is for root.",
    );
  page.section("Options");
  addOptions(page, program);
  page.section("Commands");
  for (const command of everyCommand(program)) {
    if (command.path.length > 0 && command.commands.length === 0) addCommand(page, command);
  }
  exitStatus(page);
  environment(page);
  page.section("Examples");
  for (const [line, purpose] of program.examples) page.paragraph(`${sentence(purpose)}:`).verbatim(line);
  page.section("See also").paragraph("aegisbpf-policy(5), aegisbpf(8)");
  return page.toString();
}

/** Adds a command with everything about it. */
export function addCommand(page: RoffPage, command: CommandInfo): void {
  page.part(`aegisbpf ${command.path.join(" ")} ${command.usage}`).paragraph(command.description);
  for (const { name, description, choices } of command.arguments) {
    page.term(name ?? "", `${sentence(description)}${oneOf(choices)}.`);
  }
  addOptions(page, command);
  for (const [line, purpose] of command.examples) page.paragraph(`${sentence(purpose)}:`).verbatim(line);
}

function addOptions(page: RoffPage, { path, options }: CommandInfo): void {
  for (const { flags, names, description, choices, defaultValue } of options) {
    // Every command has it; said once is enough.
    if (path.length > 0 && names.includes("--help")) continue;
    const byDefault = defaultValue === undefined ? "" : `; by default ${defaultValue}`;
    page.term(flags, `${sentence(description)}${oneOf(choices)}${byDefault}.`);
  }
}

function oneOf(choices: readonly string[]): string {
  return choices.length === 0 ? "" : `: one of ${choices.join(", ")}`;
}
