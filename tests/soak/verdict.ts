/** Judges what a day came to. */

import type { Diary, Sample } from "./guest.ts";

/** One thing that must be true. */
export interface Check {
  readonly name: string;
  /** Undefined: there is too little to tell. */
  readonly ok: boolean | undefined;
  readonly detail: string;
}

/** How much more the last quarter may need than the second. */
const GROWTH = 0.02;
/** Below that many samples a quarter, what the agent needs has not settled. */
const SAMPLES = 10;

/** All checks of a day. */
export function checksOf(diary: Diary): Check[] {
  const { refused, counted, told, events, problems } = diary;
  const leaks = Object.entries(diary.leaks);
  const done = Object.entries(diary.done).map(([what, count]) => `${count} ${what}`).join(", ");
  return [
    {
      name: "lived through",
      ok: problems.length === 0,
      detail: problems.length === 0 ? `${diary.rounds} rounds: ${done}` : problems.slice(0, 5).join("; "),
    },
    {
      name: "leaks",
      ok: leaks.length === 0 && refused > 0,
      detail: leaks.length === 0
        ? `0 of ${refused} denied opens went through`
        : leaks.map(([file, count]) => `${file} ${count}`).join(", "),
    },
    {
      name: "counts",
      ok: counted === refused && told === refused,
      detail: `${refused} refused, ${counted} counted by the kernel, ${told} told by events`,
    },
    {
      name: "accounting",
      ok: events.emitted === events.delivered + events.coalesced + events.dropped,
      detail:
        `${events.emitted} emitted, ${events.delivered} delivered, ${events.coalesced} coalesced, ${events.dropped} dropped`,
    },
    growth("the agent's memory", diary.samples, ({ rss }) => rss * 1024),
    growth("the agent's own memory", diary.samples, ({ own }) => own * 1024),
    growth("the maps' memory", diary.samples, ({ maps }) => maps),
  ];
}

/** The last quarter against the second, by their medians. */
function growth(name: string, samples: readonly Sample[], of: (sample: Sample) => number): Check {
  const quarter = Math.floor(samples.length / 4);
  const second = median(samples.slice(quarter, 2 * quarter).map(of));
  const last = median(samples.slice(samples.length - quarter).map(of));
  const change = last / second - 1;
  const detail = `${mib(second)} MiB in the second quarter, ${mib(last)} in the last: ${percent(change)}`;
  if (quarter < SAMPLES) return { name, ok: undefined, detail: `too short a day to tell; ${detail}` };
  return { name, ok: change <= GROWTH, detail };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

function mib(bytes: number): string {
  return (bytes / (1 << 20)).toFixed(2);
}

function percent(share: number): string {
  return `${share < 0 ? "" : "+"}${(100 * share).toFixed(2)} %`;
}
