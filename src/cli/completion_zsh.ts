/**
 * Completion for zsh, with what each word is for.
 *
 * @module
 */
import { commandPatterns } from "./completion_bash.ts";
import { type CommandInfo, everyCommand, type ValueInfo } from "./command_info.ts";

/** The script. */
export function zshCompletion(program: CommandInfo): string {
  const commands = [...everyCommand(program)];
  return `#compdef aegisbpf
# zsh completion for aegisbpf; made by: aegisbpf completions zsh
_aegisbpf() {
  local at='' word i
  local -a found options
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    case "$at $word" in
      ${commandPatterns(commands)}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at \${words[CURRENT - 1]}" in
${commands.flatMap(valueCases).join("\n")}
  esac
  case "$at" in
${commands.map(followCase).join("\n")}
  esac
  (( \${#found} )) && _describe -t commands word found
  _describe -o -t options option options
}
if [[ \${funcstack[1]} == _aegisbpf ]]; then _aegisbpf "$@"; else compdef _aegisbpf aegisbpf; fi
`;
}

function valueCases({ path, options }: CommandInfo): string[] {
  return options.filter(({ name }) => name !== undefined).map((option) => {
    const patterns = option.names.map((name) => `'${path.join(" ")} ${name}'`).join(" | ");
    return `    ${patterns}) ${offer(option)}; return ;;`;
  });
}

function offer({ name, choices, isFile }: ValueInfo): string {
  if (isFile) return "_files";
  return choices.length === 0 ? `_message ${quoted(name ?? "value")}` : `compadd -- ${choices.join(" ")}`;
}

function followCase({ path, options, arguments: args, commands }: CommandInfo): string {
  const found = [
    ...commands.map((command) => described(command.path.at(-1) ?? "", command.summary)),
    ...args.flatMap(({ choices, description }) => choices.map((choice) => described(choice, description))),
  ];
  const flags = options.flatMap(({ names, description }) =>
    names.map((name) => described(name, description))
  );
  const files = args.some(({ isFile }) => isFile)
    ? " [[ ${words[CURRENT]} == -* ]] || { _files; return; };"
    : "";
  return `    ${quoted(path.join(" "))})${files} found=(${found.join(" ")}); options=(${flags.join(" ")}) ;;`;
}

function described(word: string, description: string): string {
  return quoted(`${word.replaceAll(":", "\\:")}:${description}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
