/**
 * With which policy an agent begins: what was asked for, what the kernel has, the last good one, the configured one;
 * and what became of a policy that waited for confirmation.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { bootTimeNs } from "../../ffi/clock.ts";
import type { Control, SetInfo } from "../kernel/control.ts";
import { AEGIS } from "../kernel/layout.ts";
import type { Pins } from "../kernel/pins.ts";
import { PolicyFileError } from "../policy/read.ts";
import type { Locations } from "./locations.ts";
import type { PolicyStore, StoredPolicy } from "./policy_store.ts";
import type { Provenance, Standing } from "./provenance.ts";
import { Refusal } from "./refusal.ts";
import { readSignedFile, type SignedFile } from "./signed_file.ts";

/** What to begin with. */
export interface StartPlan {
  /** Undefined where there is no policy yet. */
  readonly source?: SignedFile;
  /** What the source is on this host; a policy that it had in force last is not new. */
  readonly standing: Standing;
  /** What there is to say about it in the history. */
  readonly reason?: string;
  /** The source waits for confirmation: then this comes back, or none. */
  readonly resume?: { readonly previous: StoredPolicy | undefined };
  /** A policy that waited for confirmation and does not stay. */
  readonly givenUp?: Pick<SetInfo, "serial" | "name" | "sha256"> & { readonly reason: string };
}

/** Where to look. */
export interface StartPlaces {
  readonly locations: Locations;
  readonly store: PolicyStore;
  readonly pins: Pins;
  /** Judges whether the last good policy is still accepted. By default it is. */
  readonly provenance?: Pick<Provenance, "admit">;
}

/**
 * Looks, and changes nothing.
 *
 * @param asked A file that was asked for.
 * @throws {PolicyFileError} if a file cannot be read.
 * @throws {Refusal} 5 if none can be accepted.
 */
export function planStart(asked: string | undefined, places: StartPlaces): StartPlan {
  const { store, pins } = places;
  const inKernel = pins.find().kind === "complete" ? lookAtKernel(pins) : undefined;
  const source = asked === undefined ? undefined : readSource(asked);
  const { tried } = inKernel ?? {};
  if (inKernel && tried && !inKernel.isOver) {
    const policy = store.read(tried.sha256);
    const isAbout = source === undefined || [tried.sha256, inKernel.before].includes(source.sha256);
    if (policy && isAbout) {
      return { source: policy, standing: "in-force", resume: { previous: store.read(inKernel.before) } };
    }
    const reason = policy ? "the agent was started with another policy" : "its kept copy is damaged";
    return { ...choose(source, inKernel.before, places), givenUp: { ...tried, reason } };
  }
  const plan = choose(source, tried ? inKernel?.before : inKernel?.live, places);
  if (tried === undefined) return plan;
  return { ...plan, givenUp: { ...tried, reason: "it was not confirmed in time, while no agent ran" } };
}

function readSource(path: string): StoredPolicy {
  const source = readSignedFile(path);
  return { ...source, sha256: createHash("sha256").update(source.bytes).digest("hex") };
}

interface InKernel {
  /** SHA-256 of the policy that decides. */
  readonly live: string;
  /** SHA-256 of the policy that comes back, or has. */
  readonly before: string;
  /** The policy that waits for confirmation, or did. */
  readonly tried?: SetInfo;
  readonly isOver: boolean;
}

function choose(
  asked: StoredPolicy | undefined,
  live: string | undefined,
  places: StartPlaces,
): Pick<StartPlan, "source" | "standing" | "reason"> {
  const { locations, store } = places;
  const current = store.currentSha256;
  const standingOf = ({ sha256 }: StoredPolicy): Standing =>
    sha256 === live ? "in-force" : sha256 === current ? "kept" : "new";
  if (asked) {
    // Its signature may have been taken away since; the one that was accepted is kept.
    const standing = standingOf(asked);
    const kept = standing === "new" || asked.signature ? undefined : store.read(asked.sha256);
    return { source: { ...kept, ...asked }, standing };
  }
  const pinned = live === undefined ? undefined : store.read(live);
  const kept = pinned ?? store.readCurrent();
  const refusal = kept && !pinned ? whyRefused(kept, places) : undefined;
  if (kept && refusal === undefined) {
    const isUnrecorded = pinned !== undefined && current !== live;
    return {
      source: kept,
      standing: pinned ? "in-force" : "kept",
      ...(isUnrecorded ? { reason: "it was in force; the agent ended before that was recorded" } : {}),
    };
  }
  const configured = readConfigured(locations.policy);
  if (refusal && (configured === undefined || configured.sha256 === kept?.sha256)) throw refusal;
  const reason = refusal ? { reason: `the last policy is not used: ${refusal.message}` } : {};
  return configured
    ? { source: configured, standing: standingOf(configured), ...reason }
    : { standing: "new" };
}

/** Why the last good policy is good no longer. */
function whyRefused(kept: StoredPolicy, { provenance }: StartPlaces): Refusal | undefined {
  try {
    provenance?.admit(kept, "kept");
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

function readConfigured(path: string): StoredPolicy | undefined {
  try {
    return readSource(path);
  } catch (error) {
    if (error instanceof PolicyFileError && error.code === "missing") return undefined;
    throw error;
  }
}

function lookAtKernel(pins: Pins): InKernel | undefined {
  try {
    using state = pins.open();
    return readControl(state.control);
  } catch {
    // What is wrong with the pins is found, and said, when they are brought up.
    return undefined;
  }
}

function readControl(control: Control): InKernel {
  const { live, previous } = control;
  const info = control.setInfo(control.liveIndex(live));
  if ((live & AEGIS.LIVE_CONFIRM) === 0) return { live: info.sha256, before: info.sha256, isOver: false };
  const before = control.setInfo(control.liveIndex(previous)).sha256;
  const isOver = bootTimeNs() >= control.confirmUntilNs;
  return { live: isOver ? before : info.sha256, before, tried: info, isOver };
}
