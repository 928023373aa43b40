/**
 * Gives each rule id a number that lasts, so that counters go on when policies change and agents restart.
 *
 * @module
 */
import type { BpfMap } from "../../ffi/map.ts";
import { textUntilNul } from "./counters.ts";
import { viewOf } from "./packed.ts";

/** Numbers of rule ids, kept in the kernel. */
export class RuleNumbers {
  readonly #map: BpfMap;
  readonly #numbers = new Map<string, number>();
  readonly #names = new Map<number, string>();
  #next = FIRST;

  /** `map` is the pinned map `rule_names`. */
  constructor(map: BpfMap) {
    this.#map = map;
    for (const [key, value] of map.entries()) {
      const number = viewOf(key).getUint32(0, true);
      const name = textUntilNul(value);
      this.#numbers.set(name, number);
      this.#names.set(number, name);
      this.#next = Math.max(this.#next, number + 1);
    }
  }

  /** The id of a number; undefined where the number was never given out. */
  nameOf(number: number): string | undefined {
    return this.#names.get(number);
  }

  /**
   * The numbers of rule ids, given out where they have none, in the order of the ids.
   *
   * @throws {SystemError} `E2BIG` when the kernel holds no more; nothing was given out then.
   */
  of(ids: readonly string[]): number[] {
    const fresh = ids.filter((id) => !this.#numbers.has(id));
    const keys = new Uint8Array(4 * fresh.length);
    const values = new Uint8Array(this.#map.valueSize * fresh.length);
    fresh.forEach((id, index) => {
      viewOf(keys).setUint32(4 * index, this.#next + index, true);
      new TextEncoder().encodeInto(
        id,
        values.subarray(this.#map.valueSize * index, this.#map.valueSize * (index + 1) - 1),
      );
    });
    if (fresh.length > 0) this.#map.updateBatch(keys, values, fresh.length);
    for (const id of fresh) {
      this.#numbers.set(id, this.#next);
      this.#names.set(this.#next, id);
      this.#next++;
    }
    return ids.map((id) => this.#numbers.get(id) ?? 0);
  }
}

const FIRST = 1;
