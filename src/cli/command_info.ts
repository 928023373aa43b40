/**
 * The command tree as data: what completions and the manual are made of.
 *
 * @module
 */
import { type Example, examplesOf, type Parent } from "./definition.ts";

/** A command, with all that the help says about it. */
export interface CommandInfo {
  /** Names below the program: `[]` for itself, `["policy", "apply"]`. */
  readonly path: readonly string[];
  readonly usage: string;
  readonly summary: string;
  readonly description: string;
  readonly options: readonly OptionInfo[];
  readonly arguments: readonly ArgumentInfo[];
  readonly examples: readonly Example[];
  readonly commands: readonly CommandInfo[];
}

/** What may stand for a value. */
export interface ValueInfo {
  /** As in the usage, such as `FILE`; undefined for an option without a value. */
  readonly name: string | undefined;
  readonly choices: readonly string[];
  readonly isFile: boolean;
}

/** An option. */
export interface OptionInfo extends ValueInfo {
  /** As in the help: `-V, --version`. */
  readonly flags: string;
  /** Each way to write it: `["-V", "--version"]`. */
  readonly names: readonly string[];
  readonly description: string;
  /** In words, where there is one worth saying. */
  readonly defaultValue: string | undefined;
}

/** An argument. */
export interface ArgumentInfo extends ValueInfo {
  readonly description: string;
}

/** Walks the tree of a command. */
export function commandInfo(command: Parent, parents: readonly string[] = [], isRoot = true): CommandInfo {
  const path = isRoot ? [] : [...parents, command.name()];
  const help = command.createHelp();
  return {
    path,
    usage: command.usage(),
    summary: command.summary() || command.description(),
    description: command.description(),
    options: help.visibleOptions(command).map((option) => ({
      flags: option.flags,
      names: [option.short, option.long].filter((name) => name !== undefined),
      description: option.description,
      defaultValue: typeof option.defaultValue === "string" ? option.defaultValue : undefined,
      ...valueInfo(option.flags.match(VALUE_NAME)?.[1], option.argChoices),
    })),
    arguments: command.registeredArguments.map((argument) => ({
      description: argument.description,
      ...valueInfo(argument.name(), argument.argChoices),
    })),
    examples: examplesOf(command),
    commands: command.commands.map((child) => commandInfo(child, path, false)),
  };
}

/** A command and all below it, depth first. */
export function* everyCommand(info: CommandInfo): Generator<CommandInfo> {
  yield info;
  for (const child of info.commands) yield* everyCommand(child);
}

const VALUE_NAME = /[<[]([^>\]]+)[>\]]/;

function valueInfo(name: string | undefined, choices: readonly string[] | undefined): ValueInfo {
  return { name, choices: choices ?? [], isFile: /\b(FILE|DIR|PATH|KEY_FILE)\b/.test(name ?? "") };
}
