/**
 * The canary: a file that every set denies to everybody. Opening it shows whether decisions are made and reach the
 * caller, which no link, no list of LSMs and no kernel version can tell.
 *
 * @module
 */
import { bootTimeNs } from "../../ffi/clock.ts";
import { openAt, SystemError } from "../../ffi/libc.ts";
import type { BpfMap } from "../../ffi/map.ts";
import { canEnforce } from "./backend.ts";
import type { SetIndex } from "./control.ts";
import { readCounters } from "./counters.ts";
import { fileEntry } from "./entries.ts";
import { stoppedForNs } from "./emergency.ts";
import { AEGIS, ENTRY, KEY, KIND, OP } from "./layout.ts";
import { type Identity, identityTail, viewOf, writeEntry, writeKey } from "./packed.ts";
import { SetBuilder } from "./set_builder.ts";
import { entriesOf, fillIdleSet, type PolicyLabel, switchTo } from "./sets.ts";
import type { KernelState } from "./state.ts";

/** What a look at the canary showed. */
export type CanaryResult =
  | { readonly state: "refused" }
  /** It was opened; `seen`: the kernel side noticed. */
  | { readonly state: "opened"; readonly seen: boolean }
  /** It could not be tried: the file is gone, or something else refused first. */
  | { readonly state: "unknown"; readonly reason: string };

/** Makes the canary file, unless it is there. */
export function ensureCanary(path: string): void {
  try {
    Deno.lstatSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.writeTextFileSync(path, "aegisbpf's canary: whoever can read this is not protected\n", {
      mode: 0o400,
      createNew: true,
    });
  }
}

/** A builder that holds what every set begins with: the rule for the canary. */
export function setWithCanary(canary: Identity): SetBuilder {
  const builder = new SetBuilder();
  const rule = builder.addRule({
    scopes: 0n,
    exceptScopes: 0n,
    number: 0,
    ops: 1 << OP.READ | 1 << OP.WRITE | 1 << OP.EXEC,
    flags: AEGIS.RULE_ENFORCE | AEGIS.RULE_CANARY,
    signal: 0,
  });
  builder.add(fileEntry(canary, rule));
  return builder;
}

/** Opens the canary and says what happened; needs nothing of the kernel side. */
export function tryCanary(path: string): "refused" | "opened" | { readonly reason: string } {
  try {
    openAt(path)[Symbol.dispose]();
    return "opened";
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return error.code === "EPERM" ? "refused" : { reason: error.message };
  }
}

/** Opens the canary, and where that succeeds looks whether the kernel side saw it. */
export function probeCanary(state: KernelState, path: string): CanaryResult {
  const before = readCounters(state.maps).CANARY_SEEN;
  const result = tryCanary(path);
  if (result === "refused") return { state: "refused" };
  if (result !== "opened") return { state: "unknown", reason: result.reason };
  return { state: "opened", seen: readCounters(state.maps).CANARY_SEEN > before };
}

/** Whether a look at the canary showed what a working backend shows; during an emergency stop none refuses. */
export function provesBackend({ backend, control }: KernelState, result: CanaryResult): boolean {
  const refuses = canEnforce(backend) && stoppedForNs(control) === 0n;
  return refuses ? result.state === "refused" : result.state === "opened" && result.seen;
}

/** Puts a set into force that names nothing but the canary. */
export function installCanaryOnly(state: KernelState, path: string): void {
  const known = state.identities.of(path);
  if (known === undefined) throw new SystemError(2, "open", path);
  const set = setWithCanary(known.identity).build();
  switchTo(state, fillIdleSet(state, set, NO_POLICY), set);
}

/** Makes the live set name the canary file that is there now; false where there is none or no set is in force. */
export function renewCanary(state: KernelState, path: string): boolean {
  return changeLiveSet(state, path, (entries, key, { index, ino }) => {
    const value = new Uint8Array(ENTRY.SIZE);
    writeEntry(viewOf(value), 0, { rule: CANARY_RULE, node: 0, mask: 0n });
    entries.update(key, value);
    state.control.admitFile(index, ino);
  });
}

/** Takes the file that is at `path` now out of the live set's canaries; false as {@linkcode renewCanary}. */
export function forgetCanary(state: KernelState, path: string): boolean {
  return changeLiveSet(state, path, (entries, key) => void entries.delete(key));
}

function changeLiveSet(
  state: KernelState,
  path: string,
  change: (entries: BpfMap, key: Uint8Array, at: { readonly index: SetIndex; readonly ino: bigint }) => void,
): boolean {
  const known = state.identities.of(path);
  const index = state.control.liveIndex(state.control.wordAt(bootTimeNs()));
  using entries = entriesOf(state, index);
  if (known === undefined || entries === undefined) return false;
  const key = new Uint8Array(KEY.SIZE);
  const { ino } = known.identity;
  writeKey(viewOf(key), 0, { kind: KIND.FILE, a: ino, b: identityTail(known.identity), slot: 0 });
  change(entries, key, { index, ino });
  return true;
}

/** The canary's rule is the first of every set. */
const CANARY_RULE = 0;
const NO_POLICY: PolicyLabel = { serial: 0n, sha256: "00".repeat(32), name: "", enforce: false };
