/**
 * What in a policy would lock this host out, as problems of its file.
 *
 * @module
 */
import { essentialFiles } from "../policy/essential.ts";
import { hostFacts, mappedByInit } from "../policy/host_facts.ts";
import type { Policy } from "../policy/model.ts";
import type { Problem } from "../policy/problem.ts";
import { findLockouts, formatLockout } from "../policy/safety.ts";
import type { Locations } from "./locations.ts";

/** A problem for each target that must not be enforced on this host. */
export function lockoutProblems(
  policy: Policy,
  file: string,
  places: Pick<Locations, "config" | "state" | "run">,
): Problem[] {
  const essentials = [
    ...essentialFiles({
      executable: Deno.execPath(),
      configuration: places.config.slice(0, places.config.lastIndexOf("/")),
      writable: [places.state, places.run],
    }),
    ...mappedByInit(),
  ];
  return findLockouts(policy, essentials, hostFacts).map((lockout) => ({
    file,
    line: lockout.line,
    column: 1,
    path: "",
    message: formatLockout(lockout),
  }));
}
