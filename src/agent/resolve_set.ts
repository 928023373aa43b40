/**
 * Puts the set of a policy together: the canary's rule first, then the policy's, then what stays covered.
 *
 * @module
 */
import { ensureCanary, setWithCanary } from "../kernel/canary.ts";
import type { SetEntry } from "../kernel/entries.ts";
import { cgroupRoot } from "../kernel/host.ts";
import type { RuleNumbers } from "../kernel/rule_numbers.ts";
import { type PolicySet, TooManyRulesError } from "../kernel/set_builder.ts";
import type { KernelState } from "../kernel/state.ts";
import { NestedMounts } from "../policy/nested_mounts.ts";
import { PolicyTooLargeError, type ResolvedPolicy, resolvePolicy } from "../policy/resolve.ts";
import type { CheckedPolicy } from "./in_force.ts";
import type { Locations } from "./locations.ts";
import { harmfulMounts } from "./lockouts.ts";
import { Refusal } from "./refusal.ts";

/** What resolving works with. */
export interface ResolveSources {
  readonly state: Pick<KernelState, "identities">;
  readonly locations: Locations;
  readonly numbers: Pick<RuleNumbers, "of">;
}

/** How to resolve. */
export interface ResolveSetOptions {
  /** Gives no numbers to rules: the set is not for the kernel. */
  readonly dryRun?: boolean;
  /** Entries besides the policy's. */
  readonly covered?: readonly SetEntry[];
}

/**
 * The set, and what the policy's paths led to.
 *
 * @throws {Refusal} 4 if the policy is more than the kernel side has room for.
 */
export function resolveSet(
  { state, locations, numbers }: ResolveSources,
  { policy, file }: Pick<CheckedPolicy, "policy" | "file">,
  { dryRun = false, covered = [] }: ResolveSetOptions = {},
): { readonly set: PolicySet; readonly resolution: ResolvedPolicy } {
  ensureCanary(locations.canary);
  const canary = state.identities.of(locations.canary);
  if (canary === undefined) throw new Error(`Expected the canary at ${locations.canary}`);
  const builder = setWithCanary(canary.identity);
  try {
    const resolution = resolvePolicy(policy, builder, {
      identities: state.identities,
      cgroups: cgroupRoot(),
      numbers: (ids) => dryRun ? [] : numbers.of(ids),
      mounts: new NestedMounts({
        harmful: (covered) => harmfulMounts(covered, policy, locations, state.identities),
      }),
    });
    for (const entry of covered) builder.add(entry);
    return { set: builder.build(), resolution };
  } catch (error) {
    if (error instanceof TooManyRulesError || error instanceof PolicyTooLargeError) {
      throw new Refusal(4, `${file}: ${error.message}`);
    }
    throw error;
  }
}
