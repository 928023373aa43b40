/**
 * What the control socket speaks: HTTP with JSON. The command line uses nothing else.
 *
 *     GET  /v1/health                    → HealthReport
 *     GET  /v1/policy                    → PolicyView
 *     GET  /v1/policy/source             → the policy in force, byte for byte (application/yaml)
 *     POST /v1/policy/apply ApplyRequest → ApplyResult
 *     POST /v1/policy/confirm            → ApplyResult
 *     POST /v1/policy/rollback RollbackRequest → ApplyResult
 *     GET  /v1/stats?by=rule|cgroup|inode|path → StatsReport
 *     GET  /v1/explain?path=P[&op=O][&cgroup=C][&uid=U][&exe=E] → ExplainReport
 *     POST /v1/prove/…        see prove_api.ts
 *     /v1/deny, /v1/allow                → see hand_api.ts
 *     /v1/emergency                      → see emergency_api.ts
 *
 * Every refusal is an ApiErrorBody with a status of 400 to 599. docs/openapi.yaml says the same for others; a test holds it
 * against this.
 *
 * @module
 */
import type { Backend } from "../kernel/backend.ts";
import type { MountView } from "../policy/nested_mounts.ts";
import type { Problem } from "../policy/problem.ts";
import type { Degradation } from "./degradation.ts";
import type { EmergencyView } from "./emergency_api.ts";
import type { HandExemptionView } from "./hand_api.ts";

/** What the host gets right now; contract section 1. */
export type Posture = typeof POSTURES[number];

/** Every posture. */
export const POSTURES = ["enforce", "audit", "degraded", "off"] as const;

/** One thing that health looked at. */
export interface HealthCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** The policy in force, in short. */
export interface PolicySummary {
  readonly name: string;
  readonly serial: number;
  readonly sha256: string;
  /** Who signed it; null for an unsigned policy. */
  readonly signer: string | null;
  /** Rules by hand included. */
  readonly rules: number;
  /** How many of the rules are by hand, where there are any. */
  readonly by_hand?: number;
  /** Paths of rules at which nothing stands yet. */
  readonly waiting: number;
}

/** `health --json`; contract section 7. */
export interface HealthReport {
  readonly ok: boolean;
  readonly posture: Posture;
  readonly backend: Backend | null;
  /** Why the posture is not enforce, and each failed check: one line each. */
  readonly reasons: readonly string[];
  /** The same with their codes, as far as they lower what the host gets; see docs/degraded-modes.md. */
  readonly degradations?: readonly Degradation[];
  readonly checks: readonly HealthCheck[];
  readonly policy: PolicySummary | null;
  readonly agent:
    | {
      readonly pid: number;
      readonly version: string;
      readonly uptime_s: number;
      readonly heartbeat_age_s: number;
    }
    | null;
  readonly kernel: { readonly release: string; readonly lsm: readonly string[] };
  /** The emergency stop, while one is on. */
  readonly emergency?: Pick<EmergencyView, "reason" | "until" | "remaining_s">;
  /** A file that every set denies: whoever asks opens it to see the refusal. */
  readonly canary?: string;
}

/** Where one path or inode of a rule stands. */
export interface TargetView {
  /** As the policy names it: `/path`, `/dir/**` or `MAJOR:MINOR:INO[:GENERATION]`. */
  readonly target: string;
  readonly line: number;
  readonly state: "bound" | "waiting";
  /** `MAJOR:MINOR:INO:GENERATION` of what stands there. */
  readonly identity?: string;
}

/** A rule in force. */
export interface RuleView {
  readonly id: string;
  /** For a rule by hand. */
  readonly origin?: "hand";
  /** RFC 3339, for a rule by hand that ends by itself. */
  readonly expires?: string;
  /** 0 for a rule by hand. */
  readonly line: number;
  readonly mode: "enforce" | "audit";
  /** What happens on this host: audit where the backend cannot refuse. */
  readonly effect: "deny" | "audit";
  readonly deny: readonly string[];
  readonly in: readonly string[];
  /** What a denied process gets besides EPERM, if anything. */
  readonly signal?: "term" | "kill";
  readonly targets: readonly TargetView[];
}

/** `policy show --json`. */
export interface PolicyView extends PolicySummary {
  readonly mode: "enforce" | "audit";
  readonly generation: number;
  /** RFC 3339. */
  readonly applied: string;
  readonly file: string;
  readonly rule_list: readonly RuleView[];
  /** What is mounted below directories of `DIR/**`; absent where nothing is. */
  readonly mounts?: readonly MountView[];
  readonly allow: { readonly cgroups: readonly string[]; readonly by_hand?: readonly HandExemptionView[] };
}

/** What `policy apply` sends. */
export interface ApplyRequest {
  /** The policy's exact bytes as base64. */
  readonly source: string;
  /** The file's name, for messages. */
  readonly file: string;
  /** The signature beside it, as base64 of the text that ssh-keygen wrote. */
  readonly signature?: string;
  /** Checks and resolves, changes nothing. */
  readonly dry_run?: boolean;
  /** Applies although the policy would lock the host out. */
  readonly force?: boolean;
  /** Seconds until the policy before it comes back, unless it is confirmed. */
  readonly confirm_within_s?: number;
}

/** What became of it. */
export interface ApplyResult {
  /** False where the same policy was in force already, and for a dry run. */
  readonly applied: boolean;
  readonly policy: PolicySummary;
  readonly warnings: readonly string[];
  /** Seconds left to confirm it, where it has to be. */
  readonly confirm_within_s?: number;
  /** Of a dry run: what would change. */
  readonly plan?: ApplyPlan;
}

/** What a policy would change. */
export interface ApplyPlan {
  /** Ids. */
  readonly rules: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly string[];
  };
  /** What rules would cover that they do not cover now, as far as it exists. */
  readonly covered: readonly PlannedTarget[];
  /** What they would cover no more. */
  readonly uncovered: readonly PlannedTarget[];
  /** Paths at which nothing stands. */
  readonly waiting: readonly Pick<PlannedTarget, "rule" | "target">[];
}

/** A file that a rule stands for. */
export interface PlannedTarget {
  /** The rule's id. */
  readonly rule: string;
  /** As the policy names it. */
  readonly target: string;
  /** `MAJOR:MINOR:INO:GENERATION`, or an inode as the policy names it. */
  readonly identity: string;
}

/** What `policy rollback` sends. */
export interface RollbackRequest {
  /** Serial of a policy that is kept; by default the one before the policy in force. */
  readonly to?: number;
}

/** Counters of `stats`; all exact. */
export interface StatsReport {
  readonly denied: number;
  readonly audited: number;
  readonly events: {
    readonly emitted: number;
    readonly delivered: number;
    readonly coalesced: number;
    readonly dropped: number;
  };
  /** With `by`: one row a key, largest first. */
  readonly by?: "rule" | "cgroup" | "inode" | "path";
  readonly rows?: readonly StatsRow[];
}

/** Decisions of one key and operation. */
export interface StatsRow {
  /** Rule id, cgroup path or `id:N`, `MAJOR:MINOR:INO:GENERATION`, or path. */
  readonly key: string;
  readonly op: string;
  readonly action: "deny" | "audit";
  readonly count: number;
}

/** How stats can be broken down. */
export const STATS_KEYS = ["rule", "cgroup", "inode", "path"] as const;

/** A rule that names the file that was asked about, and what it says. */
export interface ExplainedRule {
  readonly id: string;
  /** For a rule by hand. */
  readonly origin?: "hand";
  /** Its line in the policy; null for a rule by hand, and where the policy in force is not the agent's, or the rule is not in it. */
  readonly line: number | null;
  /** The target that names the file, as the policy has it; null for a file that came to be covered later. */
  readonly target: { readonly text: string; readonly line: number } | null;
  /** `place`: a file that comes to stand there will be covered. */
  readonly by: "file" | "inode" | "subtree" | "place";
  /** Of a rule that would deny or report: what it says; `nothing` where something is in the way. */
  readonly says: "deny" | "audit" | "nothing";
  /** Whether this is the rule that decides. */
  readonly decides: boolean;
  /** Why, in one line each. */
  readonly why: readonly string[];
}

/** What would turn the decision; all steps together. */
export interface ExplainedChange {
  readonly to: "allow" | "deny";
  readonly steps: readonly string[];
}

/** `explain --json`: what the set in force says of an operation on a path by a caller. */
export interface ExplainReport {
  readonly decision: "deny" | "audit" | "allow";
  readonly op: string;
  /** As it was asked for. */
  readonly path: string;
  readonly file: {
    /** `missing`: nothing stands there; the report is about a file that is created there. */
    readonly state: "there" | "missing";
    /** The path with symbolic links resolved. */
    readonly path: string;
    /** `MAJOR:MINOR:INO:GENERATION`. */
    readonly identity?: string;
    /** How many names it has. */
    readonly links?: number;
    /** The file in a layer, for one on an overlay. */
    readonly behind?: { readonly path: string; readonly identity: string };
  };
  readonly caller: {
    readonly cgroup: { readonly path: string; readonly id?: string };
    readonly uid: number;
    readonly exe: { readonly path: string; readonly identity: string } | null;
  };
  /** The rule that decides, null where none does. */
  readonly rule: ExplainedRule | null;
  /** Which condition decided, in a few words. */
  readonly condition: string;
  /** Why a denial is only reported, and what else to know. */
  readonly notes: readonly string[];
  /** Every rule that names the file, in the order in which the kernel asks them. */
  readonly rules: readonly ExplainedRule[];
  readonly change: ExplainedChange | null;
  readonly backend: Backend;
  readonly policy: {
    readonly name: string;
    readonly serial: number;
    readonly file: string | null;
    readonly generation: number;
  };
}

/** Why a request was refused. */
export interface ApiErrorBody {
  readonly error: {
    /** The exit code that the command line ends with; contract section 3. */
    readonly exit: number;
    readonly message: string;
    /** For an invalid policy: every place that is wrong. */
    readonly problems?: readonly Problem[];
  };
}
