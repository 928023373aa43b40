/**
 * What the kernel keeps of the rollout beside the pins: the highest serial that was accepted, and where the history
 * ends. It goes with the pins: at a reboot, and with `detach`.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { BpfMap, MapType } from "../../ffi/map.ts";
import { viewOf } from "./packed.ts";

/** What is kept. */
export interface AnchorState {
  /** The highest serial that was accepted; 0 before the first. */
  readonly serial: number;
  /** SHA-256 of the policy that has it, lower-case hexadecimal. */
  readonly sha256: string;
  /** Number of the history's last entry; 0 before the first. */
  readonly entries: number;
  /** SHA-256 of that entry, lower-case hexadecimal. */
  readonly head: string;
}

/** A pinned map of one value. */
export class Anchor implements Disposable {
  readonly #map: BpfMap;

  private constructor(map: BpfMap) {
    this.#map = map;
  }

  /**
   * Opens the anchor, or makes an empty one.
   *
   * @param folder The folder of the pins, which exists.
   * @param others Folders of other schemas' pins, from which a new one takes over what it keeps.
   * @throws {SystemError} if it can be neither opened nor made.
   */
  static open(folder: string, others: readonly string[] = []): Anchor {
    const found = Anchor.find(folder);
    if (found) return found;
    const map = BpfMap.create({
      type: MapType.Array,
      name: "aegis_rollout",
      keySize: 4,
      valueSize: VALUE_SIZE,
      maxEntries: 1,
    });
    try {
      map.pin(`${folder}/${PIN}`);
    } catch (error) {
      map[Symbol.dispose]();
      throw error;
    }
    const anchor = new Anchor(map);
    for (const other of others) {
      using before = Anchor.find(other);
      const kept = before?.read();
      if (kept && kept.entries > anchor.read().entries) anchor.write(kept);
    }
    return anchor;
  }

  /** The anchor that is pinned; undefined where none is. */
  static find(folder: string): Anchor | undefined {
    try {
      const map = BpfMap.fromPin(`${folder}/${PIN}`);
      if (map.valueSize === VALUE_SIZE) return new Anchor(map);
      map[Symbol.dispose]();
      return undefined;
    } catch (error) {
      if (error instanceof SystemError && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** What is kept now. */
  read(): AnchorState {
    // A write is not one step: what is read twice alike is whole.
    let value = this.#lookup();
    for (let attempt = 0; attempt < 5; attempt++) {
      const again = this.#lookup();
      if (again.every((byte, index) => byte === value[index])) break;
      value = again;
    }
    const view = viewOf(value);
    return {
      serial: Number(view.getBigUint64(0, true)),
      entries: Number(view.getBigUint64(8, true)),
      sha256: value.subarray(16, 48).toHex(),
      head: value.subarray(48, 80).toHex(),
    };
  }

  /** Keeps some of it anew. */
  write(changes: Partial<AnchorState>): void {
    const { serial, sha256, entries, head } = { ...this.read(), ...changes };
    const value = new Uint8Array(VALUE_SIZE);
    viewOf(value).setBigUint64(0, BigInt(serial), true);
    viewOf(value).setBigUint64(8, BigInt(entries), true);
    value.set(Uint8Array.fromHex(sha256), 16);
    value.set(Uint8Array.fromHex(head), 48);
    this.#map.update(ZERO_KEY, value);
  }

  /** Closes the handle; what is pinned stays. */
  [Symbol.dispose](): void {
    this.#map[Symbol.dispose]();
  }

  #lookup(): Uint8Array {
    return this.#map.lookup(ZERO_KEY) ?? new Uint8Array(VALUE_SIZE);
  }
}

const PIN = "rollout";
const VALUE_SIZE = 80;
const ZERO_KEY = new Uint8Array(4);
