/**
 * A request that is refused for a reason its author can mend, with the exit code that the command line ends with.
 *
 * @module
 */
import type { Problem } from "../policy/problem.ts";

/** Thrown for refusals that are part of normal life: an invalid policy, a lower serial. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  /**
   * @param exit Exit code; contract section 3.
   * @param problems For an invalid policy: every place that is wrong.
   */
  constructor(readonly exit: number, message: string, readonly problems: readonly Problem[] = []) {
    super(message);
  }
}

/** The refusal of a policy that is not valid. */
export function invalidPolicy(file: string, problems: readonly Problem[]): Refusal {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return new Refusal(4, `${file} is not a valid policy: ${count}`, problems);
}
