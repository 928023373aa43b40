/**
 * How much of each flow has been reported: known to the agent, and kept in the kernel for the next one.
 *
 * @module
 */
import { flowMap } from "../kernel/counters.ts";
import { FLOW_KEY } from "../kernel/layout.ts";
import { viewOf } from "../kernel/packed.ts";
import type { Maps } from "../kernel/state.ts";

/** A flow's key in `reported` as text: the key in its map, with the epoch that is counted in that map. */
export function epochKey(key: Uint8Array, epoch: number): string {
  key[FLOW_KEY.epoch] = epoch & 1;
  const text = key.toHex();
  key[FLOW_KEY.epoch] = 0;
  return text;
}

/** Progress of one agent. */
export class Progress {
  readonly #maps: Maps;
  readonly #reported = new Map<string, bigint>();
  readonly #noted = new Set<string>();

  /** Goes on where the agent before came to. */
  constructor(maps: Maps) {
    this.#maps = maps;
    const stale: Uint8Array[] = [];
    for (const [key, value] of maps.reported.entries()) {
      if (this.#isThere(key)) this.#reported.set(key.toHex(), viewOf(value).getBigUint64(0, true));
      else stale.push(key);
    }
    // The agent died between taking flows out and forgetting them; flows of these keys would begin anew.
    for (const key of stale) maps.reported.delete(key);
  }

  /** How much of a flow has been reported. */
  of(key: string): bigint {
    return this.#reported.get(key) ?? 0n;
  }

  /** So much has been reported; {@linkcode flush} tells the kernel. */
  note(key: string, total: bigint): void {
    this.#reported.set(key, total);
    this.#noted.add(key);
  }

  /** Keeps what was noted for the next agent. */
  flush(): void {
    const count = this.#noted.size;
    if (count === 0) return;
    const keys = new Uint8Array(count * FLOW_KEY.SIZE);
    const totals = new BigUint64Array(count);
    let index = 0;
    for (const key of this.#noted) {
      keys.subarray(index * FLOW_KEY.SIZE).setFromHex(key);
      totals[index++] = this.of(key);
    }
    this.#noted.clear();
    this.#maps.reported.updateBatch(keys, new Uint8Array(totals.buffer), count);
  }

  /**
   * Forgets flows that were taken out of the map of an epoch.
   *
   * @param keys As they were in that map, one after the other; they are changed.
   * @returns Their keys as text.
   */
  forget(epoch: number, keys: Uint8Array): string[] {
    const forgotten: string[] = [];
    for (let at = 0; at < keys.length; at += FLOW_KEY.SIZE) {
      keys[at + FLOW_KEY.epoch] = epoch & 1;
      const text = keys.subarray(at, at + FLOW_KEY.SIZE).toHex();
      this.#reported.delete(text);
      this.#noted.delete(text);
      forgotten.push(text);
    }
    this.#maps.reported.deleteBatch(keys, forgotten.length);
    return forgotten;
  }

  #isThere(key: Uint8Array): boolean {
    const bare = key.slice();
    bare[FLOW_KEY.epoch] = 0;
    return flowMap(this.#maps, key[FLOW_KEY.epoch] ?? 0).lookup(bare) !== undefined;
  }
}
