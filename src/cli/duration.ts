/**
 * Spans of time on the command line: `90s`, `15m`, `1h30m`, `7d`.
 *
 * @module
 */
import { InvalidArgumentError } from "@commander-js/extra-typings";

/** The bounds of an option, in seconds, both inclusive. */
export interface DurationBounds {
  readonly least: number;
  readonly most: number;
}

/**
 * A parser of an option's value, which gives seconds.
 *
 * @throws {InvalidArgumentError} with what was expected; the parser does.
 */
export function durationWithin({ least, most }: DurationBounds): (text: string) => number {
  return (text) => {
    const seconds = secondsOf(text);
    if (seconds === undefined) {
      throw new InvalidArgumentError("Expected a time such as 90s, 15m, 1h30m or 7d.");
    }
    if (seconds < least || seconds > most) {
      throw new InvalidArgumentError(`Expected a time from ${durationText(least)} to ${durationText(most)}.`);
    }
    return seconds;
  };
}

/** A number of seconds as the parser takes it, in the two largest units that matter: `1h30m`. */
export function durationText(seconds: number): string {
  let rest = Math.max(0, Math.ceil(seconds));
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join("") || "0s";
}

const UNITS: readonly (readonly [unit: string, seconds: number])[] = [
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
];

function secondsOf(text: string): number | undefined {
  const match = text.match(/^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?$/);
  if (match === null || text === "") return undefined;
  return UNITS.reduce((sum, [, size], index) => sum + size * Number(match[index + 1] ?? 0), 0);
}
