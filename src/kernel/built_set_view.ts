/**
 * Looks decisions up in a set that is not in the kernel: what it would decide if it were.
 *
 * @module
 */
import { ENTRY, KEY, RULE } from "./layout.ts";
import { type EntryValue, type KernelRule, readEntry, readKey, readRule, viewOf } from "./packed.ts";
import type { PolicySet } from "./set_builder.ts";
import type { SetView } from "./set_view.ts";

/** A finished set, by what decisions look up. */
export class BuiltSetView implements SetView {
  readonly live: number;
  readonly cgroupDepth: number;
  readonly #entries = new Map<string, EntryValue[]>();
  readonly #rules: readonly KernelRule[];

  /** Takes over the set's content as it is now. */
  constructor(set: PolicySet) {
    this.live = set.live;
    this.cgroupDepth = set.cgroupDepth;
    for (let at = 0; at < set.entryCount; at++) {
      const { kind, a, b, slot } = readKey(viewOf(set.keys.subarray(at * KEY.SIZE)));
      const value = readEntry(viewOf(set.values.subarray(at * ENTRY.SIZE)));
      const text = keyText(kind, a, b);
      const known = this.#entries.get(text);
      if (known === undefined) this.#entries.set(text, [value]);
      else known[slot] = value;
    }
    this.#rules = Array.from(
      { length: set.ruleCount },
      (_, index) => readRule(viewOf(set.rules.subarray(index * RULE.SIZE))),
    );
  }

  entries(kind: number, a: bigint, b: bigint): EntryValue[] {
    return this.#entries.get(keyText(kind, a, b)) ?? [];
  }

  rule(index: number): KernelRule | undefined {
    return this.#rules[index];
  }
}

function keyText(kind: number, a: bigint, b: bigint): string {
  return `${kind}:${a}:${b}`;
}
