/**
 * Health as the agent sees it, from what the kernel says at this moment; whoever asks opens the canary as well.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import type { BpfLink } from "../../ffi/link.ts";
import { programInfo } from "../../ffi/program.ts";
import { bootTimeNs } from "../../ffi/clock.ts";
import { canEnforce } from "../kernel/backend.ts";
import type { Rejection } from "../kernel/bring_up.ts";
import { probeCanary, provesBackend } from "../kernel/canary.ts";
import { readCounters } from "../kernel/counters.ts";
import { kernelRelease, lsmList } from "../kernel/host.ts";
import { stoppedForNs } from "../kernel/emergency.ts";
import type { Preemption } from "../kernel/preemption.ts";
import type { KernelState } from "../kernel/state.ts";
import type { HealthCheck, HealthReport, Posture } from "./api.ts";
import type { EventOutlets } from "./event_outlets.ts";
import { codeOfCheck, type Degradation, reasonText } from "./degradation.ts";
import { degradationsOf } from "./degradation_causes.ts";
import type { EmergencyView } from "./emergency_api.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import type { Rollout } from "./rollout.ts";
import { summaryOf } from "./views.ts";

/** What health looks at. */
export interface HealthContext {
  readonly state: KernelState;
  readonly engine: PolicyEngine;
  readonly outlets: EventOutlets;
  readonly rollout: Pick<Rollout, "problems" | "notes">;
  readonly canary: string;
  readonly rejected: readonly Rejection[];
  readonly emergency: EmergencyView;
  /** What is doubtful about where the policy comes from, one line each. */
  readonly doubts: readonly string[];
  readonly preemption: Preemption;
  readonly handNotes: readonly string[];
  readonly startedMs: number;
  readonly version: string;
}

/** Looks at everything. */
export function healthOf(context: HealthContext): HealthReport {
  const { state, engine, canary, emergency } = context;
  const posture = postureOf(state, engine);
  const checks = [
    linksCheck(state),
    canaryCheck(state, canary, posture),
    generationCheck(state, engine),
    heartbeatCheck(state),
    accountingCheck(state),
    skippedCheck(state),
    ...context.outlets.checks(),
    historyCheck(context.rollout.problems),
  ];
  const inForce = engine.current;
  const failed = checks.filter(({ ok }) => !ok).map(({ name, detail }): Degradation => ({
    code: codeOfCheck(name),
    detail: `${name}: ${detail}`,
  }));
  const doubts = context.doubts.map((detail): Degradation => ({ code: "provenance", detail }));
  const degradations = [...degradationsOf(context, posture), ...context.rollout.notes, ...doubts, ...failed];
  return {
    ok: failed.length === 0 && posture !== "off",
    posture,
    backend: state.backend,
    reasons: degradations.map(reasonText),
    degradations,
    checks,
    policy: inForce ? summaryOf(inForce) : null,
    agent: {
      pid: Deno.pid,
      version: context.version,
      uptime_s: Math.round((performance.now() - context.startedMs) / 100) / 10,
      heartbeat_age_s: Number((bootTimeNs() - state.control.heartbeatNs) / 1_000_000n) / 1000,
    },
    kernel: { release: kernelRelease(), lsm: lsmList() ?? [] },
    ...(emergency.active
      ? {
        emergency: { reason: emergency.reason, until: emergency.until, remaining_s: emergency.remaining_s },
      }
      : {}),
    canary,
  };
}

/** What the host gets right now. */
export function postureOf(state: KernelState, engine: PolicyEngine): Posture {
  const { control } = state;
  if (stoppedForNs(control) > 0n) return "off";
  if (!engine.wantsEnforce) return "audit";
  return canEnforce(state.backend) ? "enforce" : "degraded";
}

function linksCheck({ links, backend }: KernelState): HealthCheck {
  const detached = [...links].filter(([, link]) => programOf(link) === undefined).map(([name]) => name);
  return {
    name: "links",
    ok: detached.length === 0,
    detail: detached.length === 0
      ? `${links.size} attached by ${backend}`
      : `not attached: ${detached.join(", ")}; restart the agent`,
  };
}

/** The id of the program that a link keeps attached; undefined where it keeps none. */
function programOf(link: BpfLink): number | undefined {
  try {
    return link.info().programId || undefined;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

function canaryCheck(state: KernelState, canary: string, posture: Posture): HealthCheck {
  const result = probeCanary(state, canary);
  const detail = result.state === "refused"
    ? "refused"
    : result.state === "opened"
    ? (result.seen ? "opened, and seen" : "opened, and not seen")
    : result.reason;
  return { name: "canary", ok: posture === "off" || provesBackend(state, result), detail };
}

function generationCheck({ control }: KernelState, engine: PolicyEngine): HealthCheck {
  const inKernel = control.setInfo(control.liveIndex(control.wordAt(bootTimeNs())));
  const expected = engine.current;
  const ok = expected === undefined || inKernel.generation === expected.generation;
  return {
    name: "generation",
    ok,
    detail: ok
      ? `${inKernel.generation}`
      : `the kernel decides by generation ${inKernel.generation}, the agent's is ${expected?.generation}`,
  };
}

/** Damaged or lost state stays a failure until the agent is started over state that is whole. */
function historyCheck(problems: readonly string[]): HealthCheck {
  return {
    name: "history",
    ok: problems.length === 0,
    detail: problems.length === 0 ? "whole, as far as it was read at the start" : problems.join("; "),
  };
}

/** The heart beats once a second, from the loop that also takes the records. */
function heartbeatCheck({ control }: KernelState): HealthCheck {
  const ageS = Number((bootTimeNs() - control.heartbeatNs) / 1_000_000n) / 1000;
  return { name: "heartbeat", ok: ageS < STALE_S, detail: `${ageS.toFixed(1)} s ago` };
}

const STALE_S = 10;

/** Counting is not one step in the kernel: a difference counts only if it is there each time. */
function accountingCheck({ maps }: KernelState): HealthCheck {
  let difference = 0n;
  for (let attempt = 0; attempt < 5; attempt++) {
    const { EMITTED, DELIVERED, COALESCED, DROPPED_RING_FULL } = readCounters(maps);
    difference = EMITTED - DELIVERED - COALESCED - DROPPED_RING_FULL;
    if (difference === 0n) {
      return {
        name: "accounting",
        ok: true,
        detail:
          `${EMITTED} emitted = ${DELIVERED} delivered + ${COALESCED} coalesced + ${DROPPED_RING_FULL} dropped`,
      };
    }
  }
  return { name: "accounting", ok: false, detail: `${difference} events are unaccounted for` };
}

/** A kernel that preempts a program on its CPU leaves out the same program's other runs there, and counts them. */
function skippedCheck({ links }: KernelState): HealthCheck {
  const skipped = new Map<string, bigint>();
  for (const [name, link] of links) {
    const id = programOf(link);
    const misses = id === undefined ? 0n : programInfo({ id }).recursionMisses;
    if (misses > 0n) skipped.set(name, misses);
  }
  const sum = [...skipped.values()].reduce((total, one) => total + one, 0n);
  const ok = sum === 0n;
  const detail = ok
    ? "no decision was skipped"
    : `the kernel skipped ${sum} decisions under preemption (${
      [...skipped].map(([name, count]) => `${name}: ${count}`).join(", ")
    })`;
  return { name: "skipped", ok, detail };
}
