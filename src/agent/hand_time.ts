/**
 * How long something by hand lasts: by the clock that goes on since boot, which nobody sets, and after a reboot by the
 * wall clock.
 *
 * @module
 */
import { bootTimeNs } from "../../ffi/clock.ts";

/** The clocks. */
export interface HandClock {
  /** Unix time in milliseconds. */
  now(): number;
  /** `CLOCK_BOOTTIME` in seconds. */
  sinceBoot(): number;
  /** Which boot this is. */
  readonly boot: string;
}

/** When something was added and when it ends; without an end it lasts until it is removed. */
export interface Times {
  /** RFC 3339, as `expires`. */
  readonly added: string;
  readonly expires?: string | undefined;
  /** The boot in which `until_s`, in seconds of `CLOCK_BOOTTIME`, is the end. */
  readonly boot?: { readonly id: string; readonly until_s: number } | undefined;
}

/** The times of something that is added now, for so many seconds. */
export function timesOf(clock: HandClock, ttl: number | undefined): Times {
  const now = clock.now();
  const added = new Date(now).toISOString();
  if (ttl === undefined) return { added };
  return {
    added,
    expires: new Date(now + ttl * 1000).toISOString(),
    boot: { id: clock.boot, until_s: clock.sinceBoot() + ttl },
  };
}

/** How many seconds are left, 0 when it is over; undefined where it has no end. */
export function secondsLeft({ expires, boot }: Times, clock: HandClock): number | undefined {
  if (expires === undefined) return undefined;
  const left = boot?.id === clock.boot
    ? boot.until_s - clock.sinceBoot()
    : (Date.parse(expires) - clock.now()) / 1000;
  return Math.max(0, left);
}

/** This host's clocks. */
export function hostClock(): HandClock {
  return {
    now: Date.now,
    sinceBoot: () => Number(bootTimeNs() / 1_000_000n) / 1000,
    boot: Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim(),
  };
}
