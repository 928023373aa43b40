/**
 * What `deny` and `allow` share: how long something by hand lasts.
 *
 * @module
 */
import { durationText, durationWithin } from "./duration.ts";

/** How long something by hand lasts by itself, in seconds. */
export const TTL_OPTION = [
  "--ttl <TIME>",
  "how long, such as 1h; by default until it is removed",
  durationWithin({ least: 1, most: 366 * 86_400 }),
] as const;

/** When something by hand ends, in words. */
export function endsText({ expires, remaining_s }: {
  readonly expires: string | null;
  readonly remaining_s: number | null;
}): string {
  return expires === null ? "until removed" : `${durationText(remaining_s ?? 0)} left, until ${expires}`;
}
