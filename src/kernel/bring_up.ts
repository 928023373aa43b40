/**
 * Gets the kernel side into force: chooses a backend by attaching it and watching the canary, goes on with what is
 * pinned where that fits, and mends what an agent left half made.
 *
 * @module
 */
import { BpfLoadError } from "../../ffi/load_error.ts";
import { SystemError, unlink } from "../../ffi/libc.ts";
import { refusesAll } from "../../ffi/program_types.ts";
import { loadAsset } from "./assets.ts";
import { type Backend, BACKENDS, canEnforce, hookOfProgram, programKind } from "./backend.ts";
import {
  ensureCanary,
  forgetCanary,
  installCanaryOnly,
  probeCanary,
  provesBackend,
  renewCanary,
} from "./canary.ts";
import { chargesLockedMemory } from "./host.ts";
import type { OtherPins, PinMeta, Pins } from "./pins.ts";
import { type KernelState, loadAndAttach, type LoadOptions } from "./state.ts";

/** Why a backend was not taken. */
export interface Rejection {
  readonly backend: Backend;
  /** One line for a person. */
  readonly reason: string;
}

/** What came of it. */
export interface BroughtUp {
  readonly state: KernelState;
  /** Whether what was pinned goes on, or was made anew. */
  readonly origin: "adopted" | "replaced" | "created";
  readonly rejected: readonly Rejection[];
  /** What was found and mended, for the log. */
  readonly notes: readonly string[];
  /**
   * Folders of pins that cannot be gone on with, of another schema or damaged. They go on deciding beside the new ones: once
   * the policy is in force here, what they hold is to be taken out: {@linkcode Pins.removeOthers}.
   */
  readonly beside?: readonly string[];
}

/** No backend works on this host, or none of those that were allowed. */
export class NoBackendError extends Error {
  override readonly name = "NoBackendError";

  constructor(readonly rejected: readonly Rejection[]) {
    super(
      `No backend works here: ${rejected.map(({ backend, reason }) => `${backend}: ${reason}`).join("; ")}`,
    );
  }
}

/** The pins are of another schema, and this version cannot take over from them. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/** What to bring up. */
export interface BringUpOptions {
  readonly pins: Pins;
  /** Path of the canary file, which exists. */
  readonly canary: string;
  /** Backends to try, best first. */
  readonly candidates?: readonly Backend[];
}

/**
 * Brings the kernel side up and pins it. What was in force before stays in force until the new is.
 *
 * @throws {NoBackendError} if none of the candidates works; nothing is left attached that was not before.
 * @throws {SchemaError} if pins of another schema refuse, and this version could only report.
 */
export async function bringUp(options: BringUpOptions): Promise<BroughtUp> {
  const { pins, canary, candidates = BACKENDS } = options;
  const object = new Uint8Array(await crypto.subtle.digest("SHA-256", loadAsset("aegis.bpf.o"))).toHex();
  const notes: string[] = [];
  const whole = wholePins(pins, notes);
  const others = pins.others();
  const beside = others.length === 0 ? {} : { beside: others.map(({ folder }) => folder) };
  if (whole) {
    // Beside other programs a look at the canary would not tell whose they are.
    const fits = whole.object === object && candidates.includes(whole.backend) && others.length === 0;
    const adopted = fits ? adopt(pins, canary, notes) : undefined;
    if (adopted) return { state: adopted, origin: "adopted", rejected: [], notes };
    return { ...replace(pins, { canary, candidates, object }), notes, ...beside };
  }
  const { state, rejected } = choose(candidates, canary);
  try {
    checkMigration(others, state.backend);
    pins.create(state, object);
  } catch (error) {
    state[Symbol.dispose]();
    throw error;
  }
  return { state, origin: "created", rejected, notes, ...beside };
}

/** The pins of this schema, if they can be gone on with. Those that cannot are set aside, where they go on deciding. */
function wholePins(pins: Pins, notes: string[]): PinMeta | undefined {
  const found = pins.find();
  if (found.kind !== "complete" && found.kind !== "half-made") return undefined;
  let reason = found.kind === "half-made" ? `half made: ${found.reason}` : undefined;
  if (found.kind === "complete") {
    try {
      pins.open()[Symbol.dispose]();
      return found.meta;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      reason = `damaged: ${error.message}`;
    }
  }
  notes.push(`pins in ${found.folder} are ${reason}; they stay in force until new ones are`);
  pins.setAside();
  return undefined;
}

/** What refuses is not given up for what only reports. */
function checkMigration(others: readonly OtherPins[], backend: Backend): void {
  const refusing = others.filter((other) => other.backend !== undefined && canEnforce(other.backend));
  if (refusing.length === 0 || canEnforce(backend)) return;
  throw new SchemaError(
    `Pins that this version cannot go on with refuse by ${refusing[0]?.backend} (${
      refusing.map(({ folder }) => folder).join(", ")
    }), ` +
      `it could only report by ${backend}: they stay in force; to give them up, take them out with ` +
      '"aegisbpf detach --yes" and start again',
  );
}

function adopt(pins: Pins, canary: string, notes: string[]): KernelState | undefined {
  const state = pins.open();
  const result = probeCanary(state, canary);
  if (provesBackend(state, result) || sawNewCanary(state, canary)) return state;
  notes.push(`what was pinned does not work (${state.backend}: canary ${result.state}): made anew`);
  state[Symbol.dispose]();
  return undefined;
}

/** The canary file may be newer than the set that names it: /run was emptied. */
function sawNewCanary(state: KernelState, canary: string): boolean {
  return renewCanary(state, canary) && provesBackend(state, probeCanary(state, canary));
}

/** Attaches new programs over the maps that are pinned, then lets the old ones go. */
function replace(
  pins: Pins,
  { canary, candidates, object }: { canary: string; candidates: readonly Backend[]; object: string },
): Pick<BroughtUp, "state" | "origin" | "rejected"> {
  const maps = pins.openMaps();
  try {
    const hooks = pins.pinnedPrograms().flatMap((program) => hookOfProgram(program) ?? []);
    const { state, rejected } = choose(candidates, canary, { reuse: maps, hooks });
    pins.replacePrograms(state, object);
    return { state, origin: "replaced", rejected };
  } finally {
    for (const map of Object.values(maps)) map[Symbol.dispose]();
  }
}

/**
 * The first backend that works. That is seen at a file of its own: what an earlier agent left attached refuses the canary
 * too, whether the new programs run or not.
 */
function choose(
  candidates: readonly Backend[],
  canary: string,
  load: LoadOptions = {},
): { state: KernelState; rejected: readonly Rejection[] } {
  const probe = `${canary}-probe`;
  const rejected: Rejection[] = [];
  try {
    for (const backend of candidates) {
      const outcome = attempt(
        backend,
        probe,
        (proved) => load.reuse ? again(proved, load) : keep(proved, canary, probe),
      );
      if (typeof outcome !== "string") return { state: outcome, rejected };
      rejected.push({ backend, reason: outcome });
    }
  } finally {
    removeFile(probe);
  }
  throw new NoBackendError(rejected);
}

/** The same backend over the maps that are to be gone on with. */
function again(proved: KernelState, load: LoadOptions): KernelState {
  const { backend } = proved;
  proved[Symbol.dispose]();
  return loadAndAttach(backend, load);
}

/** The set that names the probe goes on with the canary: for another one the kernel would be waited for twice more. */
function keep(proved: KernelState, canary: string, probe: string): KernelState {
  if (renewCanary(proved, canary) && forgetCanary(proved, probe)) return proved;
  throw new SystemError(ENOENT, "open", canary);
}

/** What became of each backend that was attached for a moment; `reason`: why it does not work. */
export function tryBackends(
  canary: string,
  candidates: readonly Backend[] = BACKENDS,
): { readonly backend: Backend; readonly reason?: string }[] {
  return candidates.map((backend) => {
    const outcome = attempt(backend, canary, (proved) => proved);
    if (typeof outcome === "string") return { backend, reason: outcome };
    outcome[Symbol.dispose]();
    return { backend };
  });
}

/** What is made of the working backend, or why it does not work. `probe` is made, and then is there. */
function attempt(
  backend: Backend,
  probe: string,
  use: (proved: KernelState) => KernelState,
): KernelState | string {
  const kind = programKind(backend);
  // Asked first, since loading the object takes longer than all else that a start does.
  if (kind && refusesAll(kind)) return notPermitted();
  let state: KernelState | undefined;
  try {
    state = loadAndAttach(backend);
    ensureCanary(probe);
    installCanaryOnly(state, probe);
    const result = probeCanary(state, probe);
    if (provesBackend(state, result)) return use(state);
    state[Symbol.dispose]();
    if (result.state === "unknown") return `its canary could not be tried: ${result.reason}`;
    return canEnforce(backend)
      ? "attached, but the kernel does not run it: a canary file that it denies was opened"
      : "attached, but it did not see a canary file being opened";
  } catch (error) {
    state?.[Symbol.dispose]();
    if (error instanceof BpfLoadError || error instanceof SystemError) return reasonOf(error);
    throw error;
  }
}

function removeFile(path: string): void {
  try {
    unlink(path);
  } catch (error) {
    if (!(error instanceof SystemError && error.code === "ENOENT")) throw error;
  }
}

function reasonOf(error: BpfLoadError | SystemError): string {
  if (error.errno === EPERM) return notPermitted();
  return error.message.split("\n")[0] ?? error.message;
}

/** EPERM is explained here: libbpf would advise to raise the limit on locked memory, which later kernels ignore. */
function notPermitted(): string {
  const limit = chargesLockedMemory() ? "the limit on locked memory, " : "";
  return `this kernel does not permit such programs (EPERM; ${limit}lockdown, or no support)`;
}

const EPERM = 1;
const ENOENT = 2;
