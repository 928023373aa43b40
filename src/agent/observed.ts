/**
 * Keeps count of what is asked to come into force, and how long that takes.
 *
 * @module
 */
import type { ApplyMetrics } from "../metrics/apply_metrics.ts";
import { Refusal } from "./refusal.ts";
import type { Outcome } from "./rollout.ts";

/** Does it; what it throws is counted too. */
export function observed<Result extends Outcome | undefined>(
  applies: Pick<ApplyMetrics, "observe"> | undefined,
  put: () => Result,
): Result {
  if (applies === undefined) return put();
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  try {
    const outcome = put();
    if (outcome) applies.observe(outcome.applied ? "applied" : "unchanged", seconds());
    return outcome;
  } catch (error) {
    applies.observe(error instanceof Refusal ? "refused" : "failed", seconds());
    throw error;
  }
}
