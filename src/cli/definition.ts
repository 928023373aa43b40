/**
 * What the definitions of commands are made of, besides commander's own parts.
 *
 * @module
 */
import { type CommandUnknownOpts, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { nearest } from "../policy/suggest.ts";

/** A command that others are put below. */
export type Parent = CommandUnknownOpts;

/** A command line and what it is for. */
export type Example = readonly [line: string, purpose: string];

/** Adds examples, for the help and for the manual. */
export function withExamples(command: Parent, list: readonly Example[]): void {
  EXAMPLES.set(command, list);
  const lines = list.map(([line, purpose]) => `  ${line}\n      ${purpose}`);
  command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

/** The examples of a command. */
export function examplesOf(command: Parent): readonly Example[] {
  return EXAMPLES.get(command) ?? [];
}

/** An option whose value is one of a few words. */
export function choiceOption<Flags extends string, const Choice extends string>(
  flags: Flags,
  description: string,
  choices: readonly Choice[],
): Option<Flags, undefined, undefined, Choice> {
  return new Option(flags, description).choices(choices).argParser((value) => oneOf(value, choices));
}

/**
 * The value, if it is one of the choices.
 *
 * @throws {InvalidArgumentError} with the choices, and the one that was probably meant.
 */
export function oneOf<Choice extends string>(value: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const meant = nearest(value, choices);
  const suggestion = meant === undefined ? "" : `\n(Did you mean ${meant}?)`;
  throw new InvalidArgumentError(`Expected one of ${choices.join(", ")}.${suggestion}`);
}

/**
 * A user's number, as text.
 *
 * @throws {InvalidArgumentError} if it is none.
 */
export function userId(text: string): string {
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0xffff_fffe) return text;
  throw new InvalidArgumentError("Expected a number from 0 to 4294967294.");
}

/** The option of every command that reads. */
export const JSON_OPTION = ["--json", "print JSON"] as const;

const EXAMPLES = new WeakMap<Parent, readonly Example[]>();
