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
import {
  type Backend,
  backendNumber,
  type Hook,
  hookProgram,
  OPTIONAL_HOOKS,
  programsOf,
} from "./backend.ts";
import { Control } from "./control.ts";
import { Identities } from "./identities.ts";
import { hasKernelFunction, mappedArguments } from "./kernel_functions.ts";
import { openingSyscalls } from "./syscalls.ts";

/** Maps by the name that they have in the object, and under which they are pinned. */
export const MAP_NAMES = [
  "entries",
  "rules",
  "counters",
  "rule_counts",
  "flows",
  "flows_odd",
  "past",
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
  readonly links: Map<string, BpfLink>;
  readonly backend: Backend;
  readonly control: Control;
  readonly identities: Identities;
  readonly teller: LoadedProgram;
  readonly #memory: MappedMemory;

  /** Takes over all handles. */
  constructor(
    { maps, links, teller, backend }: {
      readonly maps: Maps;
      readonly links: Map<string, BpfLink>;
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

/** What to load besides the programs that decide about opens. */
export interface LoadOptions {
  /** Maps to go on with, of the same schema; by default new ones are made. */
  readonly reuse?: Maps;
  /** Hooks to attach as well; none by default. */
  readonly hooks?: readonly Hook[];
}

/**
 * Loads the programs of a backend and attaches them; nothing is decided yet, as both sets are empty.
 *
 * @throws {BpfLoadError | SystemError} if the kernel refuses; then nothing is left attached.
 */
export function loadAndAttach(backend: Backend, { reuse, hooks = [] }: LoadOptions = {}): KernelState {
  const programs = [...programsOf(backend), ...hooks.flatMap((hook) => hookProgram(backend, hook) ?? [])];
  using object = openObject([...programs, TELLER], reuse);
  object.load();
  using opened = new DisposableStack();
  const links = new Map<string, BpfLink>();
  for (const name of programs) links.set(name, opened.use(object.program(name).attach()));
  const teller = opened.use(LoadedProgram.hold(object.program(TELLER).fd));
  const entries = MAP_NAMES.map((name) => [name, opened.use(object.map(name).open())] as const);
  const maps = Object.fromEntries(entries) as Record<MapName, BpfMap>;
  const state = new KernelState({ maps, links, teller, backend });
  opened.move();
  state.control.backend = backendNumber(backend);
  if (state.control.coalesceNs === 0n) state.control.coalesceNs = DEFAULT_COALESCE_NS;
  return state;
}

/**
 * Attaches hooks that are not attached yet.
 *
 * @returns The names of the programs that were attached.
 * @throws {BpfLoadError | SystemError} if the kernel refuses one that it should have; those before it may be attached.
 */
export function attachHooks(state: KernelState, hooks: readonly Hook[]): string[] {
  const wanted = hooks.flatMap((hook) => {
    const name = hookProgram(state.backend, hook);
    if (name === undefined || state.links.has(name)) return [];
    return OPTIONAL_HOOKS.includes(hook) && !hasKernelFunction(`security_${hook}`) ? [] : [name];
  });
  if (wanted.length === 0) return [];
  // One object for all of them: each would read the kernel's types anew.
  using object = openObject(wanted, state.maps);
  object.load();
  for (const name of wanted) state.links.set(name, object.program(name).attach());
  return wanted;
}

/** Name of the program that tells identities. */
export const TELLER = "tell_identity";

/** A flow gets one record a second: what a person reads, and what a flood costs at most. */
const DEFAULT_COALESCE_NS = 1_000_000_000n;

/** The object with these programs of it, not loaded yet; with the maps of another one, if given. */
export function openObject(programs: readonly string[], reuse?: Maps): BpfObject {
  const object = BpfObject.open(loadAsset("aegis.bpf.o"), "aegis");
  for (const program of object.programs()) program.setAutoload(programs.includes(program.name));
  if (reuse) { for (const name of MAP_NAMES) object.map(name).reuseFd(reuse[name].fd); }
  if (programs.some((name) => name.endsWith("attr"))) {
    for (const [name, mapped] of Object.entries(mappedArguments())) {
      object.variable(name).setInitialValue(Uint8Array.of(mapped ? 1 : 0));
    }
  }
  const bytes = new Uint8Array(new Uint32Array(SYSCALL_SLOTS).fill(0xffff_ffff).buffer);
  bytes.set(new Uint8Array(Uint32Array.from(openingSyscalls()).buffer));
  object.variable("syscalls").setInitialValue(bytes);
  return object;
}

/** Length of `syscalls` in bpf/aegis.bpf.c. */
const SYSCALL_SLOTS = 8;
