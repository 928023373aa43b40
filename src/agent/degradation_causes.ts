/**
 * What lowers what the host gets at this moment, besides checks of health that fail.
 *
 * @module
 */
import { canEnforce } from "../kernel/backend.ts";
import type { Rejection } from "../kernel/bring_up.ts";
import { kernelRelease } from "../kernel/host.ts";
import { isLeftOut, type Preemption, preempts } from "../kernel/preemption.ts";
import type { KernelState } from "../kernel/state.ts";
import { targetText } from "../policy/resolve.ts";
import type { Posture } from "./api.ts";
import type { Degradation } from "./degradation.ts";
import type { EmergencyView } from "./emergency_api.ts";
import type { PolicyEngine } from "./policy_engine.ts";

/** What is looked at. */
export interface CauseContext {
  readonly state: Pick<KernelState, "backend">;
  readonly engine: PolicyEngine;
  readonly rejected: readonly Rejection[];
  readonly emergency: EmergencyView;
  readonly preemption: Preemption;
  /** What was wrong with the rules by hand. */
  readonly handNotes: readonly string[];
}

/** All of it, the gravest first. */
export function degradationsOf(context: CauseContext, posture: Posture): Degradation[] {
  return [
    ...postureCauses(context, posture),
    ...backendCauses(context),
    ...setCauses(context),
    ...context.handNotes.map((detail): Degradation => ({ code: "hand_rules", detail })),
  ];
}

/** An emergency stop in one line. */
export function stoppedText({ reason, remaining_s, until }: EmergencyView): string {
  const why = reason === null ? "the reason was not recorded" : reason;
  return `an emergency stop is on for ${remaining_s} s more, until ${until}: ${why}`;
}

function postureCauses({ state, engine, emergency }: CauseContext, posture: Posture): Degradation[] {
  switch (posture) {
    case "enforce":
      return [];
    case "degraded":
      return [{
        code: "cannot_enforce",
        detail: `the policy asks to enforce, but ${state.backend} can only report`,
      }];
    case "audit":
      return [
        engine.current
          ? { code: "audit_only", detail: "the policy only audits" }
          : { code: "no_policy", detail: "no policy is in force" },
      ];
    case "off":
      return [{ code: "emergency_stop", detail: stoppedText(emergency) }];
  }
}

function backendCauses({ state, engine, rejected, preemption }: CauseContext): Degradation[] {
  const { backend } = state;
  const fallback = rejected.map(({ backend, reason }): Degradation => ({
    code: "backend_fallback",
    detail: `backend ${backend} is not in use: ${reason}`,
  }));
  const release = kernelRelease();
  const isExposed = engine.wantsEnforce && canEnforce(backend) && isLeftOut(backend, release) &&
    preempts(preemption.model);
  if (!isExposed) return fallback;
  return [{ code: "preemption_possible", detail: preemptionText(backend, release, preemption) }, ...fallback];
}

/** Why a denied operation may slip through, and what mends that. */
export function preemptionText(
  backend: "lsm" | "fmod_ret" | string,
  release: string,
  { model, source, remedies }: Preemption,
): string {
  const how = model === "dynamic"
    ? "this kernel may preempt (it is not to be found how it does)"
    : `this kernel preempts (${model}, by ${source})`;
  const mends = [
    ...(isLeftOut("lsm", release)
      ? []
      : ["put bpf into its list of LSMs (lsm=…,bpf on its command line; aegisbpf doctor prints it)"]),
    ...(remedies.length > 0 ? [`boot it with preempt=${remedies.join(" or preempt=")}`] : []),
  ];
  const mend = mends.length > 0 ? mends.join(", or ") : "run a kernel from 6.2 with bpf in its list of LSMs";
  return `${how}, and leaves ${backend} programs out while another task is preempted within one: ` +
    `a denied operation can slip through, and is counted then. To mend that, ${mend}`;
}

function setCauses({ engine, state }: CauseContext): Degradation[] {
  const { current } = engine;
  if (current === undefined) return [];
  const found: Degradation[] = [];
  if (current.missingHooks.length > 0) {
    const detail = `${state.backend} does not see: ${current.missingHooks.join(", ")}`;
    found.push({ code: "hooks_missing", detail });
  }
  const [first, ...more] = current.resolution.targets.filter(({ unreachable }) => unreachable !== undefined);
  if (first) {
    const rest = more.length > 0 ? `, and ${more.length} more` : "";
    const detail = `it cannot be told what stands at ${targetText(first.target)} of rule ${first.rule.id}: ` +
      `${first.unreachable}${rest}`;
    found.push({ code: "path_unreachable", detail });
  }
  if (engine.learnFailures > 0) {
    const detail =
      `${engine.learnFailures} files that came to stand at rules' places could not be added in the ` +
      "kernel: they are covered when the agent has looked";
    found.push({ code: "learning_failed", detail });
  }
  if (engine.droppedCovered > 0) {
    const detail =
      `${engine.droppedCovered} files that had left rules' places are no longer covered: the set was full`;
    found.push({ code: "moved_files_dropped", detail });
  }
  return found;
}
