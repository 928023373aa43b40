/**
 * How policies were applied since the agent started: the only metrics that the kernel does not keep.
 *
 * @module
 */
import { Counter, Histogram } from "prom-client";

/** What became of a policy that was to be applied. */
export const APPLY_RESULTS = ["applied", "unchanged", "refused", "failed"] as const;

/** One of them. */
export type ApplyResultName = typeof APPLY_RESULTS[number];

/** Counts results and times. */
export class ApplyMetrics {
  /** @internal */
  readonly counter: Counter<"result">;
  /** @internal */
  readonly histogram: Histogram;

  /** Begins at zero, so that the first refusal is an increase. */
  constructor() {
    this.counter = new Counter({
      name: "aegisbpf_policy_apply_total",
      help: "Policies that were to be applied since the agent started, by what became of them.",
      labelNames: ["result"],
      registers: [],
    });
    this.histogram = new Histogram({
      name: "aegisbpf_policy_apply_duration_seconds",
      help: "Time from a policy's bytes to its being in force.",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [],
    });
    for (const result of APPLY_RESULTS) this.counter.inc({ result }, 0);
  }

  /** Counts one; only policies that came into force are timed. */
  observe(result: ApplyResultName, seconds: number): void {
    this.counter.inc({ result });
    if (result === "applied") this.histogram.observe(seconds);
  }
}
