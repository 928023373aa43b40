/**
 * The clock that the kernel side stamps its records with.
 *
 * @module
 */
import { lastError, libc } from "./libc.ts";

/** `CLOCK_BOOTTIME`: nanoseconds since boot, suspended time included. */
export function bootTimeNs(): bigint {
  return readClock(CLOCK_BOOTTIME);
}

/** `CLOCK_MONOTONIC`: nanoseconds since boot without suspended time, which systemd's messages go by. */
export function monotonicTimeNs(): bigint {
  return readClock(CLOCK_MONOTONIC);
}

/** What to add to {@linkcode bootTimeNs} to get Unix time in nanoseconds, as the wall clock stands now. */
export function bootTimeOffsetNs(): bigint {
  return readClock(CLOCK_REALTIME) - readClock(CLOCK_BOOTTIME);
}

/** Whether something keeps the wall clock right, NTP for example; undefined where the kernel does not tell. */
export function isClockSynchronized(): boolean | undefined {
  // modes is 0: nothing is set.
  const state = libc().adjtimex(new Uint8Array(TIMEX_SIZE));
  return state < 0 ? undefined : state !== TIME_ERROR;
}

/** `struct timex` of 64-bit systems. */
const TIMEX_SIZE = 208;
const TIME_ERROR = 5;
const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_BOOTTIME = 7;

const timespec = new BigInt64Array(2);

function readClock(clock: number): bigint {
  if (libc().clock_gettime(clock, timespec) !== 0) throw lastError("clock_gettime");
  const [seconds = 0n, nanoseconds = 0n] = timespec;
  return seconds * 1_000_000_000n + nanoseconds;
}
