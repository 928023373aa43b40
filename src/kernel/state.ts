/**
 * The kernel side as a whole: its maps, its shared memory and its links, whether loaded just now or found pinned.
 *
 * @module
 */
import type { BpfLink } from "../../ffi/link.ts";
import { LoadedProgram } from "../../ffi/loaded_program.ts";
import type { BpfMap } from "../../ffi/map.ts";
import type { MappedMemory } from "../../ffi/memory.ts";
import { BpfObject } from "../../ffi/object.ts";
import { loadAsset } from "./assets.ts";
import { type Backend, backendNumber, programsOf } from "./backend.ts";
import { Control } from "./control.ts";
import { Identities } from "./identities.ts";
import { openingSyscalls } from "./syscalls.ts";

/** Maps by the name that they have in the object, and under which they are pinned. */
export const MAP_NAMES = [
  "entries",
  "rules",
  "counters",
  "rule_counts",
  "flows",
  "reported",
  "rule_names",
  "records",
  ".bss.state",
] as const;

/** The name of one map. */
export type MapName = typeof MAP_NAMES[number];

/** All maps. */
export type Maps = Readonly<Record<MapName, BpfMap>>;

/** What is in the kernel; disposing of it closes the handles, and what is pinned stays. */
export class KernelState implements Disposable {
  readonly maps: Maps;
  readonly links: ReadonlyMap<string, BpfLink>;
  readonly backend: Backend;
  readonly control: Control;
  readonly identities: Identities;
  readonly teller: LoadedProgram;
  readonly #memory: MappedMemory;

  /** Takes over all handles. */
  constructor(
    { maps, links, teller, backend }: {
      readonly maps: Maps;
      readonly links: ReadonlyMap<string, BpfLink>;
      readonly teller: LoadedProgram;
      readonly backend: Backend;
    },
  ) {
    this.maps = maps;
    this.links = links;
    this.teller = teller;
    this.backend = backend;
    this.#memory = maps[".bss.state"].mmap();
    this.control = new Control(this.#memory);
    this.identities = new Identities(teller, this.control);
  }

  /** Closes the handles. Links that are not pinned are detached by this. */
  [Symbol.dispose](): void {
    for (const link of this.links.values()) link[Symbol.dispose]();
    for (const map of Object.values(this.maps)) map[Symbol.dispose]();
    this.teller[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
  }
}

/**
 * Loads the programs of a backend and attaches them; nothing is decided yet, as both sets are empty.
 *
 * @param reuse Maps to go on with, of the same schema; by default new ones are made.
 * @throws {BpfLoadError | SystemError} if the kernel refuses; then nothing is left attached.
 */
export function loadAndAttach(backend: Backend, reuse?: Maps): KernelState {
  using object = openObject(programsOf(backend));
  if (reuse) { for (const name of MAP_NAMES) object.map(name).reuseFd(reuse[name].fd); }
  object.load();
  using opened = new DisposableStack();
  const links = new Map<string, BpfLink>();
  for (const name of programsOf(backend)) links.set(name, opened.use(object.program(name).attach()));
  const teller = opened.use(LoadedProgram.hold(object.program(TELLER).fd));
  const entries = MAP_NAMES.map((name) => [name, opened.use(object.map(name).open())] as const);
  const maps = Object.fromEntries(entries) as Record<MapName, BpfMap>;
  const state = new KernelState({ maps, links, teller, backend });
  opened.move();
  state.control.backend = backendNumber(backend);
  if (state.control.coalesceNs === 0n) state.control.coalesceNs = DEFAULT_COALESCE_NS;
  return state;
}

/** Name of the program that tells identities. */
export const TELLER = "tell_identity";

/** A flow gets one record a second: what a person reads, and what a flood costs at most. */
const DEFAULT_COALESCE_NS = 1_000_000_000n;

function openObject(programs: readonly string[]): BpfObject {
  const object = BpfObject.open(loadAsset("aegis.bpf.o"), "aegis");
  for (const program of object.programs()) {
    program.setAutoload(programs.includes(program.name) || program.name === TELLER);
  }
  const bytes = new Uint8Array(new Uint32Array(SYSCALL_SLOTS).fill(0xffff_ffff).buffer);
  bytes.set(new Uint8Array(Uint32Array.from(openingSyscalls()).buffer));
  object.variable("syscalls").setInitialValue(bytes);
  return object;
}

/** Length of `syscalls` in bpf/aegis.bpf.c. */
const SYSCALL_SLOTS = 8;
