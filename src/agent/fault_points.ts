/**
 * Where tests end the agent: at each step after which a crash leaves something else behind.
 *
 * @module
 */

/** Steps of taking a policy, or a change by hand, in their order. */
export type FaultPoint =
  | "kept"
  | "accepted"
  | "filled"
  | "switched"
  | "current"
  | "recorded"
  | "confirmed"
  | "reverted"
  | "resumed";

/**
 * Ends this process at once, as `kill -9` does, where `AEGISBPF_FAULT_POINT` is `STEP:POINT` of this; otherwise does
 * nothing.
 *
 * @param step What is being done: `start`, `apply`, `rollback`, `confirm`, `revert` or `hand`.
 */
export function faultPoint(step: string, point: FaultPoint): void {
  if (FAULT !== undefined && FAULT === `${step}:${point}`) Deno.kill(Deno.pid, "SIGKILL");
}

const FAULT = Deno.env.get("AEGISBPF_FAULT_POINT");
