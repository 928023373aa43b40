/**
 * What the policy engine speaks of: policies that were checked, that are in force, and what stands beside them.
 *
 * @module
 */
import { type Backend, canEnforce, type Hook } from "../kernel/backend.ts";
import type { Mode, Policy, Rule, Scope } from "../policy/model.ts";
import type { ResolvedPolicy } from "../policy/resolve.ts";

/** A policy that is in force. */
export interface InForce extends WholePolicy {
  readonly resolution: ResolvedPolicy;
  /** Hooks that rules need and this backend does not see. */
  readonly missingHooks: readonly Hook[];
  readonly generation: bigint;
  readonly appliedNs: bigint;
}

/** A policy that has been read and found good, and what is doubtful about it. */
export interface CheckedPolicy {
  readonly policy: Policy;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly file: string;
  readonly signature?: Uint8Array;
  /** Whose signature it is; null or undefined for an unsigned policy. */
  readonly signer?: string | null;
  readonly warnings: readonly string[];
}

/** A policy with what stands beside every policy. */
export interface WholePolicy extends CheckedPolicy {
  /** The policy and the rules by hand. */
  readonly policy: Policy;
  /** The policy alone. */
  readonly own: Policy;
}

/** How to apply. */
export interface ApplyOptions {
  readonly dryRun?: boolean;
  /** Applies although it would lock the host out. */
  readonly force?: boolean;
  /** When the policy that is in force comes back unless this one is confirmed; `CLOCK_BOOTTIME` nanoseconds. */
  readonly deadline?: () => bigint;
  /** Is called at each step; what it throws before `switched` keeps everything as it is. */
  readonly step?: (point: "kept" | "filled" | "switched" | "current") => void;
}

/** A policy that is in force until a deadline, and what comes back then. */
export interface PendingPolicy {
  /** `CLOCK_BOOTTIME`, nanoseconds. */
  readonly deadlineNs: bigint;
  /** Undefined where no policy was in force. */
  readonly previous: CheckedPolicy | undefined;
}

/** Rules beside a policy, and the scopes that they name. */
export interface ExtraRules {
  readonly rules: readonly Rule[];
  readonly scopes: readonly Scope[];
}

/** What stands beside every policy: rules by hand. */
export interface Beside {
  /** The policy with it. */
  extend(policy: Policy): Policy;
  /** Whether a rule of an extended policy is one of them. */
  includes(rule: Pick<Rule, "id">): boolean;
}

/** Nothing stands beside the policy. */
export const NOTHING_BESIDE: Beside = { extend: (policy) => policy, includes: () => false };

/** What rules by hand stand beside where there is no policy; serial 0 is lower than every policy's. */
export const WITHOUT_POLICY: CheckedPolicy = {
  policy: {
    version: 1,
    name: "by-hand",
    serial: 0,
    mode: "audit",
    scopes: [],
    allow: { cgroups: [] },
    rules: [],
  },
  bytes: new Uint8Array(),
  sha256: "00".repeat(32),
  file: "rules by hand",
  warnings: [],
};

/** No rules beside a policy. */
export const NO_RULES: ExtraRules = { rules: [], scopes: [] };

/** A policy with rules beside it. */
export function extendedBy(policy: Policy, { rules, scopes }: ExtraRules): Policy {
  return { ...policy, rules: [...policy.rules, ...rules], scopes: [...policy.scopes, ...scopes] };
}

/** Whether a policy is one that the engine has put into force. */
export function isInForce(policy: CheckedPolicy): policy is InForce {
  return "resolution" in policy;
}

/** What happens to operations that a rule names, under a backend. */
export function effectOf({ mode }: { readonly mode: Mode }, backend: Backend): "deny" | "audit" {
  return mode === "enforce" && canEnforce(backend) ? "deny" : "audit";
}
