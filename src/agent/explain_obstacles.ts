/**
 * What keeps a host from refusing what its rules deny.
 *
 * @module
 */
import { canEnforce, hookProgram } from "../kernel/backend.ts";
import { isOpening } from "../kernel/decision.ts";
import { stoppedForNs } from "../kernel/emergency.ts";
import { hooksOfOperation } from "../kernel/set_builder.ts";
import type { SetView } from "../kernel/set_view.ts";
import type { KernelState } from "../kernel/state.ts";
import { type Operation, OPERATIONS } from "../policy/operations.ts";

/** Something that keeps a denial from being one, and what would mend it. */
export interface Obstacle {
  readonly note: string;
  /** Undefined where a rule is all that is missing. */
  readonly step?: string;
}

/** What the host does with what the rules say. */
export interface Obstacles {
  /** Why the operation is not seen at all. */
  readonly unseen?: Obstacle;
  /** Why what is denied is only reported. */
  readonly reported: readonly Obstacle[];
}

/** Looks at the backend, its attached hooks and the emergency stop. */
export function obstaclesTo(
  { backend, links, control }: KernelState,
  { live }: Pick<SetView, "live">,
  op: Operation,
): Obstacles {
  const number = OPERATIONS.indexOf(op);
  const reported: Obstacle[] = [];
  if (!canEnforce(backend)) {
    reported.push({
      note: `nothing is refused: the backend ${backend} only reports`,
      step: `run the agent where a backend can refuse: ${backend} cannot`,
    });
  }
  if (stoppedForNs({ live, emergencyUntilNs: control.emergencyUntilNs }) > 0n) {
    reported.push({
      note: "nothing is refused: an emergency stop is on",
      step: "end the emergency stop: aegisbpf emergency enable",
    });
  }
  const seen = isOpening(number) ||
    hooksOfOperation(number).some((hook) => links.has(hookProgram(backend, hook) ?? ""));
  if (seen) return { reported };
  if (hooksOfOperation(number).some((hook) => hookProgram(backend, hook) !== undefined)) {
    return {
      unseen: { note: `${op} is not watched: its hook is attached with the first rule that denies it` },
      reported,
    };
  }
  const note = `${op} is not seen: the backend ${backend} has no hook for it`;
  return {
    unseen: { note, step: `run the agent with a backend that sees ${op}: ${backend} does not` },
    reported,
  };
}
