/**
 * Times as OpenSSH's options `valid-after` and `valid-before` have them.
 *
 * @module
 */

/** What such a time looks like, for messages. */
export const TIME_FORMAT = "YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z behind it for UTC";

/**
 * The milliseconds since 1970 of a time: `YYYYMMDD[HHMM[SS]]`, by the clock of this host's time zone, or with `Z` or `UTC`
 * behind it by UTC. Undefined for anything else, for dates that do not exist and for 1970's first second and before.
 */
export function parseTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(z|utc)?$/i.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map((part) =>
    Number(part ?? 0)
  );
  const isUtc = match[7] !== undefined;
  const asked = [year, month - 1, day, hour, minute, second] as const;
  const date = isUtc ? new Date(Date.UTC(...asked)) : new Date(...asked);
  const got = isUtc
    ? [
      date.getUTCFullYear(),
      date.getUTCMonth(),
      date.getUTCDate(),
      date.getUTCMinutes(),
      date.getUTCSeconds(),
    ]
    : [date.getFullYear(), date.getMonth(), date.getDate(), date.getMinutes(), date.getSeconds()];
  // The hour is left out: where clocks are put forward there is one that does not exist, and the next stands for it.
  const exists = [year, month - 1, day, minute, second].every((part, index) => part === got[index]) &&
    hour < 24;
  return exists && date.getTime() > 0 ? date.getTime() : undefined;
}
