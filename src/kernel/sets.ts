/**
 * Puts policy sets into force: the idle one is filled and checked, then one store makes it the live one.
 *
 * @module
 */
import { BpfMap, MapFlags, MapType } from "../../ffi/map.ts";
import type { SetIndex, SetInfo } from "./control.ts";
import { AEGIS, ENTRY, KEY, RULE } from "./layout.ts";
import type { PolicySet } from "./set_builder.ts";
import type { KernelState } from "./state.ts";

/** What is known of a policy that is put into force; the rest of {@linkcode SetInfo} comes from the set. */
export type PolicyLabel = Pick<SetInfo, "serial" | "sha256" | "name" | "enforce">;

/** The idle set read back differs from what was written. */
export class SetMismatchError extends Error {
  override readonly name = "SetMismatchError";
}

/**
 * Fills the idle set with `set`. Decisions go on by the live one.
 *
 * @returns The index that {@linkcode switchTo} takes.
 * @throws {SetMismatchError} if the kernel does not hold what was written.
 * @throws {SystemError} `ENOMEM` or `E2BIG`; the live set is untouched.
 */
export function fillIdleSet(state: KernelState, set: PolicySet, label: PolicyLabel): SetIndex {
  const { control, maps } = state;
  const idle = (control.liveIndex() ^ 1) as SetIndex;
  const slot = new Uint8Array(Uint32Array.of(idle).buffer);
  using entries = BpfMap.create({
    type: MapType.Hash,
    name: "entries",
    keySize: KEY.SIZE,
    valueSize: ENTRY.SIZE,
    maxEntries: set.entryCount + ROOM_TO_LEARN,
    flags: MapFlags.NoPrealloc,
  });
  using rules = BpfMap.create({
    type: MapType.Array,
    name: "rules",
    keySize: 4,
    valueSize: RULE.SIZE,
    maxEntries: Math.max(set.ruleCount, 1),
    flags: MapFlags.InnerMap,
  });
  entries.updateBatch(set.keys, set.values, set.entryCount);
  if (set.ruleCount > 0) {
    const indices = Uint32Array.from({ length: set.ruleCount }, (_, index) => index);
    rules.updateBatch(new Uint8Array(indices.buffer), set.rules, set.ruleCount);
  }
  verifyCount(entries, set.entryCount);
  // The kernel returns from these when no program can still be reading the maps that they replace.
  maps.entries.updateMap(slot, entries);
  maps.rules.updateMap(slot, rules);
  control.clearFilters(idle);
  for (const ino of set.admitted.files) control.admitFile(idle, ino);
  for (const ino of set.admitted.directories) control.admitDirectory(idle, ino);
  for (const ino of set.admitted.places) control.admitPlace(idle, ino);
  control.writeSetInfo(idle, {
    ...label,
    generation: newestGeneration(state) + 1n,
    rules: set.ruleCount,
    entries: set.entryCount,
    cgroupDepth: set.cgroupDepth,
    appliedNs: BigInt(Date.now()) * 1_000_000n,
  });
  return idle;
}

/**
 * Puts a filled set into force with one store; bits of an emergency stop survive.
 *
 * @param deadlineNs `CLOCK_BOOTTIME` nanoseconds at which the present set comes back, unless that is confirmed; by
 * default never.
 */
export function switchTo(
  { control }: KernelState,
  index: SetIndex,
  set: Pick<PolicySet, "live">,
  deadlineNs?: bigint,
): void {
  const word = (control.live & AEGIS.LIVE_EMERGENCY) | set.live | index;
  if (deadlineNs === undefined) control.live = word;
  else control.tryUntil(word, deadlineNs);
}

/** The map that holds a set's entries; undefined where the slot was never filled. */
export function entriesOf({ maps }: KernelState, index: SetIndex): BpfMap | undefined {
  return maps.entries.lookupMap(new Uint8Array(Uint32Array.of(index).buffer));
}

/** The map that holds a set's rules; undefined where the slot was never filled. */
export function rulesOf({ maps }: KernelState, index: SetIndex): BpfMap | undefined {
  return maps.rules.lookupMap(new Uint8Array(Uint32Array.of(index).buffer));
}

/** Entries that may be added to a set in force, for files that come to stand at a rule's place. */
export const ROOM_TO_LEARN = 16_384;

function newestGeneration({ control }: KernelState): bigint {
  const [one, other] = [control.setInfo(0).generation, control.setInfo(1).generation];
  return one > other ? one : other;
}

function verifyCount(entries: BpfMap, expected: number): void {
  let found = 0;
  for (const _ of entries.keys()) found++;
  if (found !== expected) {
    throw new SetMismatchError(`Expected ${expected} entries in the new set, the kernel holds ${found}`);
  }
}
