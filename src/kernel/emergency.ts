/**
 * The emergency stop: decisions are still made, counted and reported, and nothing is refused, until a deadline that the
 * kernel side itself looks at.
 *
 * @module
 */
import { bootTimeNs } from "../../ffi/clock.ts";
import type { Control } from "./control.ts";
import { AEGIS } from "./layout.ts";

/** Stops decisions for so many nanoseconds from now. */
export function stopDecisions(control: Pick<Control, "changeLive" | "emergencyUntilNs">, ns: bigint): void {
  // The deadline first: with the bit alone, an old one could be in force.
  control.emergencyUntilNs = bootTimeNs() + ns;
  control.changeLive({ set: AEGIS.LIVE_EMERGENCY });
}

/** Ends an emergency stop; where there is none, nothing changes. */
export function resumeDecisions(control: Pick<Control, "changeLive" | "emergencyUntilNs">): void {
  control.changeLive({ clear: AEGIS.LIVE_EMERGENCY });
  control.emergencyUntilNs = 0n;
}

/** How long decisions are still stopped, in nanoseconds; 0n where they are not. */
export function stoppedForNs({ live, emergencyUntilNs }: Pick<Control, "live" | "emergencyUntilNs">): bigint {
  if ((live & AEGIS.LIVE_EMERGENCY) === 0) return 0n;
  const left = emergencyUntilNs - bootTimeNs();
  return left > 0n ? left : 0n;
}
