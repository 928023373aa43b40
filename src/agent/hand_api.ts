/**
 * What the control socket speaks about rules and exemptions by hand.
 *
 *     GET  /v1/deny                        → HandRulesView
 *     POST /v1/deny/add DenyAdd            → DenyAdded
 *     POST /v1/deny/remove {rule: text}    → DenyRemoved
 *     GET  /v1/allow                       → HandExemptionsView
 *     POST /v1/allow/add AllowAdd          → AllowAdded
 *     POST /v1/allow/remove {cgroup: text} → AllowRemoved
 *
 * @module
 */

/** When something by hand was added, and when it ends. */
interface Lasting {
  /** RFC 3339. */
  readonly added: string;
  /** RFC 3339; null: until it is removed. */
  readonly expires: string | null;
  /** Seconds left; null as for `expires`. */
  readonly remaining_s: number | null;
}

/** A rule by hand. */
export interface HandRuleView extends Lasting {
  /** `hand:NAME`, as events and stats name it. */
  readonly id: string;
  /** `/path`, `/dir/**` or `MAJOR:MINOR:INO[:GENERATION]`. */
  readonly target: string;
  readonly deny: readonly string[];
  /** What happens on this host: audit where the backend cannot refuse, or where the agent only audits. */
  readonly effect: "deny" | "audit";
  readonly state: "bound" | "waiting";
  /** `MAJOR:MINOR:INO:GENERATION` of what stands there. */
  readonly identity?: string;
}

/** A cgroup that is exempt by hand. */
export interface HandExemptionView extends Lasting {
  /** Path below the cgroup2 root, or `id:N`. */
  readonly cgroup: string;
  /** `waiting`: there is no such cgroup now. */
  readonly state: "bound" | "waiting";
}

/** `deny list --json`. */
export interface HandRulesView {
  readonly rules: readonly HandRuleView[];
}

/** `allow list --json`. */
export interface HandExemptionsView {
  readonly cgroups: readonly HandExemptionView[];
}

/** What `deny add` sends. */
export interface DenyAdd {
  readonly target: string;
  /** Operations; by default those of a policy's rule. */
  readonly ops?: readonly string[];
  /** Seconds, 1 to 366 days; by default until it is removed. */
  readonly ttl_s?: number;
  /** Name after `hand:`; by default a number. */
  readonly id?: string;
  /** Adds it although it would lock the host out. */
  readonly force?: boolean;
}

/** `renewed`: it was there, and lasts as long as is said now. */
export interface DenyAdded {
  readonly result: "added" | "renewed";
  readonly rule: HandRuleView;
  readonly warnings: readonly string[];
}

/** What was removed. */
export interface DenyRemoved {
  readonly removed: readonly HandRuleView[];
}

/** What `allow add` sends. */
export interface AllowAdd {
  readonly cgroup: string;
  /** As {@linkcode DenyAdd.ttl_s}. */
  readonly ttl_s?: number;
}

/** As {@linkcode DenyAdded}. */
export interface AllowAdded {
  readonly result: "added" | "renewed";
  readonly cgroup: HandExemptionView;
  readonly warnings: readonly string[];
}

/** What was removed. */
export interface AllowRemoved {
  readonly removed: HandExemptionView;
}
