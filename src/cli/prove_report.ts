/**
 * What `prove` found out, and what its exit code is made of.
 *
 * @module
 */
import type { Posture } from "../agent/api.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import type { Aim, Attempt, Promise as Promised, TargetKind } from "../agent/prove_catalogue.ts";
import type { AttemptAnswer } from "./prove_attempt.ts";

/**
 * `covered`: refused, or reported where that is all that happens, or neither for a caller whom the rule is not about;
 * `not covered`: not so, although it is promised;
 * `not promised`: not so, as documented; `not possible here`: a control that no rule names cannot be reached in this
 * way either, as the kernel or the file system lacks it; `cannot tell`: anything else.
 */
export type Outcome = "covered" | "not covered" | "not promised" | "not possible here" | "cannot tell";

/** All outcomes, in the order in which they are counted. */
export const OUTCOMES = [
  "covered",
  "not covered",
  "not promised",
  "not possible here",
  "cannot tell",
] as const;

/** One attempt and what came of it. */
export interface ProvedAttempt {
  readonly way: string;
  readonly op: string;
  readonly aim: Aim;
  readonly promise: Promised;
  readonly outcome: Outcome;
  /** What happened, in a few words. */
  readonly detail: string;
}

/** The attempts of one rule's targets on one file system. */
export interface ProvedBench {
  readonly rule: string;
  readonly effect: "deny" | "audit";
  readonly kind: TargetKind;
  readonly target: string;
  readonly file_system: string;
  /** The rule whose decoys stand for this one's: same operations, mode, kind and file system. */
  readonly like?: string;
  readonly attempts: readonly ProvedAttempt[];
}

/** `prove --json`. */
export interface ProveReport {
  /** Everything promised is covered, and all of it could be told. */
  readonly ok: boolean;
  readonly posture: Posture;
  readonly backend: string | null;
  readonly policy: { readonly name: string; readonly serial: number };
  /** Why it is not ok, one line each. */
  readonly reasons: readonly string[];
  readonly counts: Readonly<Record<Outcome, number>>;
  readonly rules: readonly ProvedBench[];
}

/** Judges one attempt. */
export function judge(
  { attempt, effect, signal, control, decoy, decisions }: {
    readonly attempt: Attempt;
    readonly effect: "deny" | "audit";
    /** What whom the rule refuses gets besides. */
    readonly signal?: "term" | "kill" | undefined;
    readonly control: AttemptAnswer;
    readonly decoy: AttemptAnswer;
    /** How many decisions of the rule were counted meanwhile. */
    readonly decisions: number;
  },
): ProvedAttempt {
  const said = (outcome: Outcome, detail: string) => ({ ...attempt, outcome, detail });
  if (!control.through) {
    const lacks = LACKING.has(control.code) || (control.code === "EPERM" && attempt.way !== "direct");
    return said(lacks ? "not possible here" : "cannot tell", `a control: ${control.step}: ${control.code}`);
  }
  const { holds, detail } = effect === "deny"
    ? refusal(attempt, decoy, signal)
    : reported(attempt, decoy, decisions);
  if (holds === undefined) return said("cannot tell", detail);
  return said(holds ? "covered" : attempt.promise === "never" ? "not promised" : "not covered", detail);
}

interface Judgement {
  /** Whether what is promised holds; undefined where it cannot be told. */
  readonly holds: boolean | undefined;
  readonly detail: string;
}

function refusal({ aim }: Attempt, decoy: AttemptAnswer, signal: "term" | "kill" | undefined): Judgement {
  if (decoy.through) {
    return {
      holds: aim === "let through",
      detail: aim === "let through" ? "let through" : "it went through",
    };
  }
  const { step, code } = decoy;
  if (aim === "signalled" && code === SIGNAL_NAMES[signal ?? "none"]) {
    return { holds: true, detail: `refused at ${step}, with ${code}` };
  }
  if (code !== "EPERM") return { holds: undefined, detail: `${step}: ${code}` };
  return {
    holds: aim === "held",
    detail: `refused at ${step}${aim === "signalled" ? ", with no signal" : ""}`,
  };
}

function reported({ aim }: Attempt, decoy: AttemptAnswer, decisions: number): Judgement {
  if (!decoy.through) return { holds: undefined, detail: `${decoy.step}: ${decoy.code}` };
  if (aim === "let through") {
    return { holds: decisions === 0, detail: decisions === 0 ? "not reported" : "it was reported" };
  }
  const holds = decisions >= decoy.times;
  return { holds, detail: holds ? "reported" : "it was not reported" };
}

const SIGNAL_NAMES = { none: undefined, term: "SIGTERM", kill: "SIGKILL" } as const;

/** What a kernel or a file system answers to what it does not have; EACCES: a mount with noexec. */
const LACKING: ReadonlySet<string> = new Set([
  "ENOSYS",
  "EOPNOTSUPP",
  "ENODEV",
  "ENOTTY",
  "EINVAL",
  "EACCES",
  "EXDEV",
  "EMLINK",
]);

/** Puts the report together. */
export function reportOf(
  { posture, backend, policy, rules }: Pick<ProveReport, "posture" | "backend" | "policy" | "rules">,
): ProveReport {
  const attempts = rules.flatMap(({ attempts }) => attempts);
  const counts = Object.fromEntries(
    OUTCOMES.map((outcome) => [outcome, attempts.filter((one) => one.outcome === outcome).length]),
  ) as Record<Outcome, number>;
  const reasons: string[] = [];
  if (posture !== "enforce") {
    reasons.push(`posture ${posture}: nothing is refused, so only reports can be looked at`);
  }
  if (counts["not covered"] > 0) reasons.push(`${counts["not covered"]} promised ways are not covered`);
  if (counts["cannot tell"] > 0) reasons.push(`${counts["cannot tell"]} ways could not be told`);
  if (counts.covered === 0) reasons.push("no way was seen to be covered");
  return { ok: reasons.length === 0, posture, backend, policy, reasons, counts, rules };
}

/** 0 all that is promised is covered, 1 something is not, 2 it cannot be told. */
export function exitOf({ ok, counts }: ProveReport): ExitCode {
  if (counts["not covered"] > 0) return ExitCode.No;
  return ok ? ExitCode.Done : ExitCode.Usage;
}
