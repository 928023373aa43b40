/**
 * Completion for bash. The script finds the command that the words lead to and offers what may follow; it needs
 * nothing but bash itself.
 *
 * @module
 */
import { type CommandInfo, everyCommand, type ValueInfo } from "./command_info.ts";

/** The script. */
export function bashCompletion(program: CommandInfo): string {
  const commands = [...everyCommand(program)];
  return `# bash completion for aegisbpf; made by: aegisbpf completions bash
_aegisbpf() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at='' word words='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$at $word" in
      ${commandPatterns(commands)}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at \${COMP_WORDS[COMP_CWORD - 1]}" in
${commands.flatMap(valueCases).join("\n")}
  esac
  case "$at" in
${commands.map(followCase).join("\n")}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _aegisbpf aegisbpf
`;
}

/** Patterns of `PARENT COMMAND` for every command that there is. */
export function commandPatterns(commands: readonly CommandInfo[]): string {
  return commands.filter(({ path }) => path.length > 0).map(({ path }) =>
    `'${path.slice(0, -1).join(" ")} ${path.at(-1)}'`
  ).join(" | ");
}

function valueCases({ path, options }: CommandInfo): string[] {
  return options.filter(({ name }) => name !== undefined).map((option) => {
    const patterns = option.names.map((name) => `'${path.join(" ")} ${name}'`).join(" | ");
    return `    ${patterns}) ${offer(option)}; return ;;`;
  });
}

function offer({ choices, isFile }: ValueInfo): string {
  if (isFile) return FILES;
  return choices.length === 0 ? ":" : `mapfile -t COMPREPLY < <(compgen -W '${choices.join(" ")}' -- "$cur")`;
}

function followCase({ path, options, arguments: args, commands }: CommandInfo): string {
  const words = [
    ...commands.map((command) => command.path.at(-1)),
    ...args.flatMap(({ choices }) => choices),
    ...options.flatMap(({ names }) => names.filter((name) => name.startsWith("--"))),
  ];
  const files = args.some(({ isFile }) => isFile)
    ? `case "$cur" in -*) ;; *) ${FILES}; return ;; esac; `
    : "";
  return `    '${path.join(" ")}') ${files}words='${words.join(" ")}' ;;`;
}

const FILES = `compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur")`;
