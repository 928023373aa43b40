/**
 * Makes room for flows without losing a count: counting goes on in the other of two maps, and once no program can still
 * be counting in the old one, what it holds is added to what is past and taken out.
 *
 * Each step may be the last before the agent dies, and can be done again: a sum in `past` says which epoch's flow is part
 * of it already.
 *
 * @module
 */
import type { BpfMap } from "../../ffi/map.ts";
import { MapReader } from "../../ffi/map_reader.ts";
import { SystemError } from "../../ffi/libc.ts";
import { flowMap } from "./counters.ts";
import { FLOW, FLOW_KEY, PAST } from "./layout.ts";
import { viewOf } from "./packed.ts";
import { rulesOf } from "./sets.ts";
import type { KernelState, Maps } from "./state.ts";

/** Begins the next epoch. When this returns nothing counts in the map of the one before any more. */
export function beginEpoch(state: KernelState): void {
  state.control.epoch = state.control.epoch + 1 >>> 0;
  waitForPrograms(state);
}

/** Waits until every program that runs now has ended. */
export function waitForPrograms(state: KernelState): void {
  const index = state.control.liveIndex();
  using rules = rulesOf(state, index);
  // The kernel returns from an update of a map of maps when no program can still be using what it replaced, be it the
  // same map: commit 1ae80cf31938 ("bpf: wait for running BPF programs when updating map-in-map"), 4.20.
  if (rules) state.maps.rules.updateMap(new Uint8Array(Uint32Array.of(index).buffer), rules);
}

/** Flows that are counted apart in `past`; those beyond are summed by rule, operation and action. */
export const MAX_PAST_FLOWS = 49_152;

/** Keeps what flows counted that are taken out. */
export class FlowArchive {
  readonly #maps: Maps;
  readonly #flows: readonly [even: MapReader, odd: MapReader];
  #room: number;

  /** @param maxPast Flows that are kept apart; `MAX_PAST_FLOWS` by default. */
  constructor(maps: Maps, maxPast: number = MAX_PAST_FLOWS) {
    this.#maps = maps;
    this.#flows = [new MapReader(maps.flows), new MapReader(maps.flows_odd)];
    this.#room = maxPast;
    new MapReader(maps.past).visit(() => {
      this.#room--;
    });
  }

  /**
   * Takes all flows out of the map of an epoch that is over.
   *
   * @returns Their keys, one after the other.
   * @throws {SystemError} As the maps' operations; it can be done again.
   */
  takeOut(epoch: number): Uint8Array {
    const keys = new Packed(FLOW_KEY.SIZE);
    const past = new PastSums(this.#maps.past, epoch, this.#room);
    this.#flows[(epoch & 1) as 0 | 1].visit((key, value) => {
      keys.add(key);
      past.add(key, viewOf(value).getBigUint64(FLOW.total, true));
    });
    past.write();
    this.#room = past.room;
    const kept = past.writeRules();
    const taken = keys.all();
    const count = kept.size === 0 ? keys.count : dropKept(taken, kept);
    flowMap(this.#maps, epoch).deleteBatch(taken, count);
    return taken.subarray(0, count * FLOW_KEY.SIZE);
  }
}

/** What flows counted, by their keys. */
export type FlowSums = Iterable<readonly [key: Uint8Array, total: bigint]>;

/**
 * Adds to what is past what was counted elsewhere, in all but once, however often it is called.
 *
 * @param mark Says in `past` that these sums are part of it, as an epoch's number does: none that an epoch has.
 * @returns Whether there was room for all.
 * @throws {SystemError} As the maps' operations; it can be done again.
 */
export function addToPast({ past }: Pick<Maps, "past">, mark: number, sums: FlowSums): boolean {
  let room = MAX_PAST_FLOWS;
  new MapReader(past).visit(() => {
    room--;
  });
  const added = new PastSums(past, mark, room);
  for (const [key, total] of sums) added.add(key, total);
  added.write();
  return added.writeRules().size === 0;
}

/** Moves the keys of rules that are not kept to the front; gives their number. */
function dropKept(keys: Uint8Array, kept: ReadonlySet<string>): number {
  let count = 0;
  for (let at = 0; at < keys.length; at += FLOW_KEY.SIZE) {
    const key = keys.subarray(at, at + FLOW_KEY.SIZE);
    if (!kept.has(ruleKey(key).toHex())) keys.set(key, count++ * FLOW_KEY.SIZE);
  }
  return count;
}

/** Pieces of equal size, one after the other. */
class Packed {
  #bytes = new Uint8Array(0);
  #length = 0;

  constructor(readonly size: number) {}

  get count(): number {
    return this.#length / this.size;
  }

  add(piece: Uint8Array): void {
    if (this.#length + this.size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(FIRST_ROOM * this.size, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length += this.size;
  }

  all(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

const FIRST_ROOM = 1024;

/** Adds flows of one epoch to what is past, each once. */
class PastSums {
  readonly #map: BpfMap;
  readonly #epoch: bigint;
  readonly #found = new Uint8Array(PAST.SIZE);
  readonly #sum = new Uint8Array(PAST.SIZE);
  readonly #keys = new Packed(FLOW_KEY.SIZE);
  readonly #values = new Packed(PAST.SIZE);
  readonly #rules = new Map<string, bigint>();
  #room: number;

  constructor(map: BpfMap, epoch: number, room: number) {
    this.#map = map;
    this.#epoch = BigInt(epoch);
    this.#room = room;
  }

  /** How many flows more could be kept apart. */
  get room(): number {
    return this.#room;
  }

  add(key: Uint8Array, total: bigint): void {
    const before = this.#lookup(key);
    if (before?.epoch === this.#epoch) return;
    if (before === undefined && this.#room <= 0) {
      const rule = ruleKey(key).toHex();
      this.#rules.set(rule, (this.#rules.get(rule) ?? 0n) + total);
      return;
    }
    if (before === undefined) this.#room--;
    this.#keys.add(key);
    this.#values.add(this.#value((before?.total ?? 0n) + total));
  }

  write(): void {
    this.#map.updateBatch(this.#keys.all(), this.#values.all(), this.#keys.count);
  }

  /** Writes the sums by rule; gives those for which there was no room, whose flows must stay. */
  writeRules(): Set<string> {
    const kept = new Set<string>();
    for (const [rule, total] of this.#rules) {
      const key = Uint8Array.fromHex(rule);
      const before = this.#lookup(key);
      if (before?.epoch === this.#epoch) continue;
      try {
        this.#map.update(key, this.#value((before?.total ?? 0n) + total));
      } catch (error) {
        if (!(error instanceof SystemError && error.code === "E2BIG")) throw error;
        kept.add(rule);
      }
    }
    return kept;
  }

  #lookup(key: Uint8Array): { readonly total: bigint; readonly epoch: bigint } | undefined {
    if (!this.#map.lookupInto(key, this.#found)) return undefined;
    const view = viewOf(this.#found);
    return { total: view.getBigUint64(PAST.total, true), epoch: view.getBigUint64(PAST.epoch, true) };
  }

  #value(total: bigint): Uint8Array {
    viewOf(this.#sum).setBigUint64(PAST.total, total, true);
    viewOf(this.#sum).setBigUint64(PAST.epoch, this.#epoch, true);
    return this.#sum;
  }
}

/** The key of a sum of which only rule, operation and action are kept. */
function ruleKey(key: Uint8Array): Uint8Array {
  const rule = new Uint8Array(FLOW_KEY.SIZE);
  rule.set(key.subarray(FLOW_KEY.rule), FLOW_KEY.rule);
  return rule;
}
