/**
 * Adds entries to a set that is in the kernel already, while decisions are made by it, and takes out those of what is
 * gone for good.
 *
 * @module
 */
import type { BpfMap } from "../../ffi/map.ts";
import { SystemError } from "../../ffi/libc.ts";
import type { SetIndex } from "./control.ts";
import { type EntrySink, entryText, hasMask, type SetEntry } from "./entries.ts";
import { AEGIS, ENTRY, KEY } from "./layout.ts";
import { type EntryValue, readEntry, viewOf, writeEntry, writeKey } from "./packed.ts";
import { admit, liveBitsOf } from "./set_builder.ts";
import { entriesOf } from "./sets.ts";
import type { KernelState } from "./state.ts";

/** A set in the kernel that can grow. */
export class LiveSet implements EntrySink, Disposable {
  /** Entries that were new. */
  added = 0;
  /** Bits of `AEGIS.LIVE_*` that the new entries need. */
  live = 0;
  readonly #state: KernelState;
  readonly #index: SetIndex;
  readonly #entries: BpfMap;
  readonly #known: Set<string>;
  readonly #key = new Uint8Array(KEY.SIZE);
  readonly #value = new Uint8Array(ENTRY.SIZE);

  /**
   * @param known The entries that are known to be in the set, as text.
   * @throws {SystemError} `ENOENT` if the slot was never filled.
   */
  constructor(state: KernelState, index: SetIndex, known: Iterable<string>) {
    const entries = entriesOf(state, index);
    if (entries === undefined) throw new SystemError(2, "bpf_map_lookup_elem", "entries");
    this.#state = state;
    this.#index = index;
    this.#entries = entries;
    this.#known = new Set(known);
  }

  /**
   * Adds an entry, unless it is there.
   *
   * @throws {SystemError} `E2BIG` when the set has no more room.
   */
  add(entry: SetEntry): void {
    const text = entryText(entry);
    if (this.#known.has(text)) return;
    const { control } = this.#state;
    admit(entry, {
      files: { add: (ino) => control.admitFile(this.#index, ino) },
      directories: { add: (ino) => control.admitDirectory(this.#index, ino) },
      places: { add: (ino) => control.admitPlace(this.#index, ino) },
    });
    if (hasMask(entry.kind)) this.#merge(entry);
    else this.#insert(entry);
    this.#known.add(text);
    const bits = liveBitsOf(entry.kind);
    this.live |= bits;
    if (bits !== 0) control.addBits(this.#index, bits);
  }

  /** Takes out an entry of what cannot be met any more. The last slot's comes into its place: slots have no hole. */
  remove(entry: SetEntry): void {
    if (!this.#known.delete(entryText(entry))) return;
    const there = this.#slotsOf(entry);
    const at = there.findIndex(({ rule, node }) => rule === entry.rule && node === entry.node);
    const last = there.at(-1);
    if (at < 0 || last === undefined) return;
    if (at < there.length - 1) {
      writeKey(viewOf(this.#key), 0, { ...entry, slot: at });
      writeEntry(viewOf(this.#value), 0, last);
      this.#entries.update(this.#key, this.#value);
    }
    writeKey(viewOf(this.#key), 0, { ...entry, slot: there.length - 1 });
    this.#entries.delete(this.#key);
  }

  /** Closes the handle; the set stays. */
  [Symbol.dispose](): void {
    this.#entries[Symbol.dispose]();
  }

  #insert(entry: SetEntry): void {
    const there = this.#slotsOf(entry);
    if (there.length === AEGIS.SLOTS) return;
    if (
      there.some(({ rule, node, mask }) => rule === entry.rule && node === entry.node && mask === entry.mask)
    ) return;
    writeKey(viewOf(this.#key), 0, { ...entry, slot: there.length });
    writeEntry(viewOf(this.#value), 0, entry);
    this.#entries.update(this.#key, this.#value);
    this.added++;
  }

  /** What stands in the slots of one thing, in their order. */
  #slotsOf(entry: SetEntry): EntryValue[] {
    const there: EntryValue[] = [];
    for (let slot = 0; slot < AEGIS.SLOTS; slot++) {
      writeKey(viewOf(this.#key), 0, { ...entry, slot });
      const found = this.#entries.lookup(this.#key);
      if (found === undefined) break;
      there.push(readEntry(viewOf(found)));
    }
    return there;
  }

  #merge(entry: SetEntry): void {
    writeKey(viewOf(this.#key), 0, { ...entry, slot: 0 });
    const found = this.#entries.lookup(this.#key);
    const before = found ? readEntry(viewOf(found)).mask : 0n;
    if ((before & entry.mask) === entry.mask) return;
    writeEntry(viewOf(this.#value), 0, { ...entry, mask: before | entry.mask });
    this.#entries.update(this.#key, this.#value);
    this.added++;
  }
}
