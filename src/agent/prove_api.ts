/**
 * What `prove` and the agent say to each other.
 *
 *     POST /v1/prove/begin ProveBegin → ProveBegun
 *     POST /v1/prove/look             → ProveLook; the lease begins anew with it
 *     POST /v1/prove/end              → ProveEnded
 *
 * @module
 */

/** Which rules are to be put into force for decoys, beside the policy. */
export interface ProveBegin {
  readonly callers: ProveCallers;
  readonly rules: readonly ProveRule[];
}

/** Stand-ins for whom the rules name: all cgroups are paths below the cgroup2 root. */
export interface ProveCallers {
  /** Whom the decoys' rules are about. */
  readonly members: readonly string[];
  /** Whom they make an exception for. */
  readonly excepted: {
    readonly cgroups: readonly string[];
    /** Absolute paths. */
    readonly exe: readonly string[];
    readonly uids: readonly number[];
  };
}

/** A rule like one of the policy, but for decoys and stand-ins. */
export interface ProveRule {
  /** Id of the rule that it is like. */
  readonly rule: string;
  /** Whether it signals as that rule does; without, a refusal would end whoever tries the next way. */
  readonly signals: boolean;
  /** `kind`: how the rule is to name the path. */
  readonly decoys: readonly { readonly path: string; readonly kind: "file" | "subtree" | "inode" }[];
}

/** The decoys' rules are in force. */
export interface ProveBegun {
  /** Their ids in events and stats, in the order in which they were asked for. */
  readonly rules: readonly string[];
  readonly generation: number;
}

/** How it stands with the decoys' rules. */
export interface ProveLook {
  /** Whether they have been in force all the time. */
  readonly held: boolean;
  /** How often the agent has looked at every place of every rule since it was started. */
  readonly looks: number;
  /** Decisions by the id of the decoys' rule. */
  readonly decisions: Readonly<Record<string, number>>;
}

/** The decoys' rules are gone. */
export interface ProveEnded {
  /** Whether they were in force all the time: no other policy came, and the time did not run out. */
  readonly held: boolean;
}
