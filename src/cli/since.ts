/**
 * Points in time as people type them.
 *
 * @module
 */
import { InvalidArgumentError } from "@commander-js/extra-typings";

/**
 * Milliseconds of Unix time for RFC 3339 (`2026-01-02T03:04:05Z`; a date or a time without a zone is local) or for a
 * time ago (`90s`, `-1h`, `2d`).
 *
 * @throws {InvalidArgumentError} if it is neither.
 */
export function parseSince(text: string, nowMs: number = Date.now()): number {
  const [, count = "", unit = ""] = /^-?(\d{1,9})(s|m|h|d|w)$/.exec(text) ?? [];
  if (unit !== "") return nowMs - Number(count) * (UNIT_MS[unit] ?? 0);
  const [, date, time = "T00:00", zone = ""] = RFC3339.exec(text) ?? [];
  const ms = date === undefined ? NaN : Date.parse(`${date}${time.replace(" ", "T")}${zone}`);
  // Date.parse() takes 30 February for 2 March.
  if (!Number.isNaN(ms) && date !== undefined && isDay(date)) return ms;
  throw new InvalidArgumentError(
    "Expected a time as 2026-01-31T12:00:00Z or 2026-01-31, or a time ago as 90s, 15m, 1h, 2d, 1w.",
  );
}

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const RFC3339 = /^(\d{4}-\d\d-\d\d)(?:([T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:\d\d)?)?$/;

function isDay(date: string): boolean {
  const [year = 0, month = 0, day = 0] = date.split("-").map(Number);
  const made = new Date(Date.UTC(year, month - 1, day));
  return made.getUTCMonth() === month - 1 && made.getUTCDate() === day;
}
