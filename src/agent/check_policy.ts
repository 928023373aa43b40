/**
 * Reads a policy and holds it against what locks hosts out, before anything is made of it.
 *
 * @module
 */
import type { KernelState } from "../kernel/state.ts";
import type { Mode } from "../policy/model.ts";
import { withMode } from "../policy/mode.ts";
import { parsePolicy } from "../policy/parse.ts";
import { formatProblem } from "../policy/problem.ts";
import type { CheckedPolicy } from "./in_force.ts";
import type { Locations } from "./locations.ts";
import { lockoutProblems } from "./lockouts.ts";
import { invalidPolicy, Refusal } from "./refusal.ts";

/** What it is held against. */
export interface CheckContext {
  readonly state: Pick<KernelState, "identities">;
  readonly locations: Locations;
  /** Overrides the policy's mode. */
  readonly mode?: Mode;
}

/**
 * Parses a policy and holds it against what locks hosts out.
 *
 * @param force Takes it although it would.
 * @throws {Refusal} 4, with every problem.
 */
export function checkPolicy(
  context: CheckContext,
  bytes: Uint8Array,
  file: string,
  force: boolean,
): CheckedPolicy {
  const parsed = parsePolicy(bytes, file);
  if (!parsed.ok) throw invalidPolicy(file, parsed.problems);
  const { sha256, warnings, document } = parsed;
  const { locations, mode, state: { identities } } = context;
  const policy = withMode(parsed.policy, mode);
  const lockouts = lockoutProblems(policy, file, locations, { document, identities });
  if (lockouts.length > 0 && !force) {
    throw new Refusal(4, `${file} would lock this host out (--force overrides)`, lockouts);
  }
  return { policy, bytes, sha256, file, warnings: [...warnings, ...lockouts].map(formatProblem) };
}
