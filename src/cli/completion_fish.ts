/**
 * Completion for fish, with what each word is for.
 *
 * @module
 */
import { type CommandInfo, everyCommand, type OptionInfo } from "./command_info.ts";

/** The script. */
export function fishCompletion(program: CommandInfo): string {
  const commands = [...everyCommand(program)];
  const known = commands.filter(({ path }) => path.length > 0).map(({ path }) => quoted(path.join(" ")));
  return `# fish completion for aegisbpf; made by: aegisbpf completions fish
function __aegisbpf_at
    set -l at
    for word in (commandline -opc)[2..]
        if contains -- (string join ' ' -- $at $word) ${known.join(" ")}
            set at $at $word
        end
    end
    test "$at" = "$argv[1]"
end
complete -c aegisbpf -f
${commands.flatMap(linesOf).join("\n")}
`;
}

function linesOf({ path, options, arguments: args, commands }: CommandInfo): string[] {
  const start = `complete -c aegisbpf -n ${quoted(`__aegisbpf_at ${quoted(path.join(" "))}`)}`;
  return [
    ...commands.map((command) =>
      `${start} -a ${quoted(command.path.at(-1) ?? "")} -d ${quoted(command.summary)}`
    ),
    ...args.flatMap(({ choices, description, isFile }) => [
      ...(choices.length > 0 ? [`${start} -a ${quoted(choices.join(" "))} -d ${quoted(description)}`] : []),
      ...(isFile ? [`${start} -F`] : []),
    ]),
    ...options.map((option) => `${start} ${optionFlags(option)} -d ${quoted(option.description)}`),
  ];
}

function optionFlags({ names, name, choices, isFile }: OptionInfo): string {
  const flags = names.map((flag) => flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`);
  if (name === undefined) return flags.join(" ");
  if (isFile) return [...flags, "-r -F"].join(" ");
  return [...flags, "-x", ...(choices.length > 0 ? [`-a ${quoted(choices.join(" "))}`] : [])].join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
