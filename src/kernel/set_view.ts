/**
 * Reads the policy set that decisions are made by now, from the kernel's maps.
 *
 * @module
 */
import type { BpfMap } from "../../ffi/map.ts";
import { bootTimeNs } from "../../ffi/clock.ts";
import type { Control, SetIndex } from "./control.ts";
import { AEGIS, KEY } from "./layout.ts";
import { type EntryValue, type KernelRule, readEntry, readRule, viewOf, writeKey } from "./packed.ts";
import { entriesOf, rulesOf } from "./sets.ts";
import type { KernelState } from "./state.ts";

/** What a decision looks up; see `struct aegis_key` in bpf/aegis.h for what `a` and `b` are. */
export interface SetView {
  /** Bits of `AEGIS.LIVE_*` in force. */
  readonly live: number;
  /** The deepest cgroup level that is looked at. */
  readonly cgroupDepth: number;
  /** The entries of one thing, by slot up to the first hole. */
  entries(kind: number, a: bigint, b: bigint): EntryValue[];
  /** The rule of an index. */
  rule(index: number): KernelRule | undefined;
}

/** The word in force: the one before, once a policy that nobody confirmed has run out of time. */
export function liveWord(control: Pick<Control, "live" | "previous" | "confirmUntilNs">): number {
  const { live } = control;
  return live & AEGIS.LIVE_CONFIRM && bootTimeNs() >= control.confirmUntilNs ? control.previous : live;
}

/** The set in force, in the kernel. */
export class LiveSetView implements SetView, Disposable {
  readonly live: number;
  readonly cgroupDepth: number;
  /** Which of the two sets it is. */
  readonly index: SetIndex;
  readonly #entries: BpfMap | undefined;
  readonly #rules: BpfMap | undefined;
  readonly #key = new Uint8Array(KEY.SIZE);

  /** Looks at the set that is in force now, and goes on looking at it. */
  constructor(state: KernelState) {
    const { control } = state;
    this.live = liveWord(control);
    this.index = control.liveIndex(this.live);
    this.cgroupDepth = control.setInfo(this.index).cgroupDepth;
    this.#entries = entriesOf(state, this.index);
    this.#rules = rulesOf(state, this.index);
  }

  entries(kind: number, a: bigint, b: bigint): EntryValue[] {
    const found: EntryValue[] = [];
    for (let slot = 0; slot < AEGIS.SLOTS; slot++) {
      writeKey(viewOf(this.#key), 0, { kind, a, b, slot });
      const value = this.#entries?.lookup(this.#key);
      if (value === undefined) break;
      found.push(readEntry(viewOf(value)));
    }
    return found;
  }

  rule(index: number): KernelRule | undefined {
    if (this.#rules === undefined || index >= this.#rules.maxEntries) return undefined;
    const value = this.#rules.lookup(new Uint8Array(Uint32Array.of(index).buffer));
    return value && readRule(viewOf(value));
  }

  /** Closes the handles; the set stays. */
  [Symbol.dispose](): void {
    this.#entries?.[Symbol.dispose]();
    this.#rules?.[Symbol.dispose]();
  }
}
