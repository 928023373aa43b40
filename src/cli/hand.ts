/**
 * What `deny` and `allow` share: how long something by hand lasts.
 *
 * @module
 */
import { type DurationBounds, durationText } from "./duration.ts";

/** How long something by hand may last by itself, in seconds. */
export const TTL: DurationBounds = { least: 1, most: 366 * 86_400 };

/** When something by hand ends, in words. */
export function endsText({ expires, remaining_s }: {
  readonly expires: string | null;
  readonly remaining_s: number | null;
}): string {
  return expires === null ? "until removed" : `${durationText(remaining_s ?? 0)} left, until ${expires}`;
}
