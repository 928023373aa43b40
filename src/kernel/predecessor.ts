/**
 * The kernel side that an agent of another schema left pinned, as far as this version can read it: what it counted, how
 * its rules are numbered, and whether an emergency stop is on. It decides and counts until it is halted.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { LoadedProgram } from "../../ffi/loaded_program.ts";
import { BpfMap, MapFlags, MapType, sumPerCpu } from "../../ffi/map.ts";
import type { MappedMemory } from "../../ffi/memory.ts";
import { Control, type SetIndex } from "./control.ts";
import { readCounters } from "./counters.ts";
import { addToPast, type FlowSums } from "./flow_epochs.ts";
import { AEGIS, COUNTER, FLOW, FLOW_KEY, PAST, RULE_KEY, STATE } from "./layout.ts";
import { viewOf } from "./packed.ts";
import { mapPin } from "./pins.ts";
import { type KernelState, type MapName, type Maps, openObject } from "./state.ts";

/** The schemas whose counters, flows, records and control are laid out as this version's, as far as they go. */
export const READABLE: readonly number[] = [1, 2, 3];

/** What is pinned cannot be read by this version. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}

/** One folder of pins of another schema, or of this one where they are damaged. */
export class Predecessor implements Disposable {
  readonly folder: string;
  readonly schema: number;
  /** Its maps; two that schema 1 did not have are pinned beside them, empty. */
  readonly maps: Maps;
  readonly control: Control;
  readonly #memory: MappedMemory;
  readonly #opened: DisposableStack;
  /** The word it decided by; undefined while it decides. */
  #halted: number | undefined;

  /**
   * Opens it.
   *
   * @throws {UnreadableError} if a pin is missing, or the layouts are others.
   */
  constructor(folder: string) {
    const schema = Number(/\/schema-(\d+)(-aside)?$/.exec(folder)?.[1]);
    if (!READABLE.includes(schema)) throw new UnreadableError("this version does not know their layout");
    using opened = new DisposableStack();
    try {
      this.maps = openMaps(folder, opened);
      this.#memory = opened.use(this.maps[".bss.state"].mmap());
    } catch (error) {
      if (error instanceof SystemError) throw new UnreadableError(error.message);
      throw error;
    }
    this.folder = folder;
    this.schema = schema;
    this.control = new Control(this.#memory);
    this.#opened = opened.move();
  }

  /** Gets {@linkcode halt} ready: the set that is not in force is emptied. A policy that nobody has confirmed goes. */
  prepare(): void {
    const { control, maps } = this;
    control.revert();
    const idle = (control.liveIndex() ^ 1) as SetIndex;
    control.clearFilters(idle);
    maps.entries.delete(keyOf(idle));
  }

  /** Lets it decide and count no more, with one store. Programs that run now may still count. */
  halt(): void {
    if (this.#halted !== undefined) return;
    const { live } = this.control;
    this.control.live = this.control.liveIndex() ^ 1;
    this.#halted = live;
  }

  /** Lets it decide again. */
  goOn(): void {
    if (this.#halted !== undefined) this.control.live = this.#halted;
    this.#halted = undefined;
  }

  /** The set that decides, or did until it was halted. */
  liveIndex(): SetIndex {
    return this.control.liveIndex(this.#halted);
  }

  /** Waits until it can count no more. */
  settle(): void {
    this.halt();
    const key = keyOf(this.liveIndex());
    using rules = this.maps.rules.lookupMap(key);
    // As waitForPrograms() in flow_epochs.ts.
    if (rules) this.maps.rules.updateMap(key, rules);
  }

  /**
   * Gives all that it counted to the kernel side that follows it; it must be halted, and its flows be taken out into what
   * is past. Can be done again after an agent died at it.
   */
  bequeath(heir: KernelState): void {
    addToPast(heir.maps, MARK + this.schema, sumsOf(this.maps));
    const counted = readCounters(this.maps);
    const context = new BigUint64Array(COUNTER.LEARNT);
    for (const [name, count] of Object.entries(counted)) {
      const index = COUNTER[name as keyof typeof counted];
      if (index < COUNTER.LEARNT) context[index] = count;
    }
    using object = openObject([ADDER], heir.maps);
    object.load();
    using adder = LoadedProgram.hold(object.program(ADDER).fd);
    adder.run(new Uint8Array(context.buffer));
    const { counters } = this.maps;
    counters.update(new Uint8Array(4), new Uint8Array(counters.userValueSize));
  }

  /**
   * Gives its rules' numbers to the kernel side that follows it.
   *
   * @throws {UnreadableError} if that has given them to other rules already.
   */
  bequeathNumbers({ maps }: Pick<KernelState, "maps">): void {
    const { rule_names: names } = maps;
    for (const [number, name] of this.maps.rule_names.entries()) {
      const taken = names.lookup(number);
      if (taken === undefined) names.update(number, name);
      else if (taken.toHex() !== name.toHex()) throw new UnreadableError("its rules have other numbers here");
    }
  }

  /** Closes the handles; what is pinned stays as it is. */
  [Symbol.dispose](): void {
    this.#opened[Symbol.dispose]();
  }
}

/** Name of the program that adds to counters. */
const ADDER = "add_counts";
/** No epoch gets so far. */
const MARK = 2 ** 40;

interface Shape {
  readonly key?: number;
  readonly value?: number;
  /** What a value may miss at its end. */
  readonly newer?: number;
}

/** The maps that are read here, and what an entry of them must measure. */
const SHAPES: Readonly<Record<Exclude<MapName, "flows_odd" | "past">, Shape>> = {
  entries: {},
  rules: {},
  counters: { value: COUNTER.COUNTERS * 8 },
  rule_counts: { key: RULE_KEY.SIZE, value: 8 },
  flows: { key: FLOW_KEY.SIZE, value: FLOW.SIZE },
  reported: { key: FLOW_KEY.SIZE, value: 8 },
  rule_names: { key: 4, value: 64 },
  records: {},
  ".bss.state": { value: STATE.SIZE, newer: STATE.SIZE - STATE.told_magic },
};

function openMaps(folder: string, opened: DisposableStack): Maps {
  const open = (name: MapName, { key, value, newer = 0 }: Shape) => {
    const map = opened.use(BpfMap.fromPin(`${folder}/${mapPin(name)}`));
    const { keySize, valueSize } = map, whole = value ?? valueSize;
    if ((key ?? keySize) !== keySize || valueSize > whole || valueSize < whole - newer) {
      throw new UnreadableError(`map ${name} has another layout`);
    }
    return [name, map] as const;
  };
  const maps = Object.entries(SHAPES).map(([name, shape]) => open(name as MapName, shape));
  for (const [name, value] of [["flows_odd", FLOW.SIZE], ["past", PAST.SIZE]] as const) {
    makeIfMissing(`${folder}/${mapPin(name)}`, name, value);
    maps.push(open(name, { key: FLOW_KEY.SIZE, value }));
  }
  return Object.fromEntries(maps) as Record<MapName, BpfMap>;
}

/** Pinned, so that an agent that goes on with this finds what another took out of the flows. */
function makeIfMissing(path: string, name: string, valueSize: number): void {
  try {
    Deno.lstatSync(path);
    return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  using map = BpfMap.create({
    type: MapType.Hash,
    name,
    keySize: FLOW_KEY.SIZE,
    valueSize,
    maxEntries: 1 << 16,
    flags: MapFlags.NoPrealloc,
  });
  map.pin(path);
}

/** What is past, and what was counted by rule alone, each kind once. */
function sumsOf({ past, rule_counts: rules }: Maps): FlowSums {
  const sums = new Map<string, readonly [Uint8Array, bigint]>();
  const add = (key: Uint8Array, total: bigint) => {
    const text = key.toHex();
    sums.set(text, [key, total + (sums.get(text)?.[1] ?? 0n)]);
  };
  for (const [key, value] of past.entries()) add(key, viewOf(value).getBigUint64(PAST.total, true));
  for (const [key, value] of rules.entries()) {
    const flow = new Uint8Array(FLOW_KEY.SIZE);
    const view = viewOf(key);
    viewOf(flow).setUint32(FLOW_KEY.rule, view.getUint32(RULE_KEY.rule, true), true);
    flow[FLOW_KEY.op] = view.getUint8(RULE_KEY.op);
    flow[FLOW_KEY.action] = view.getUint8(RULE_KEY.action);
    add(flow, sumPerCpu(value, rules.valueSize));
  }
  return sums.values();
}

function keyOf(index: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(index & AEGIS.LIVE_SET).buffer);
}
