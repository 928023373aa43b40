/**
 * The pins: what keeps links, maps and one program in the kernel while no agent runs.
 *
 *     <bpffs>/aegisbpf/schema-<N>/{map,link,prog}-<name>, meta
 *
 * `meta` is pinned last: a folder without it is half made. Its layout is the same in every schema. bpffs allows no dot in
 * a name.
 *
 * @module
 */
import { BpfLink } from "../../ffi/link.ts";
import { SystemError, unlink } from "../../ffi/libc.ts";
import { LoadedProgram } from "../../ffi/loaded_program.ts";
import { BpfMap, MapType } from "../../ffi/map.ts";
import { type Backend, backendNumber, backendOfNumber, programsOf } from "./backend.ts";
import { BpffsError } from "./host.ts";
import { AEGIS } from "./layout.ts";
import { viewOf } from "./packed.ts";
import { KernelState, MAP_NAMES, type MapName, type Maps, TELLER } from "./state.ts";

/** What the pins say about themselves. */
export interface PinMeta {
  readonly schema: number;
  readonly backend: Backend;
  /** SHA-256 of the BPF object, lower-case hexadecimal. */
  readonly object: string;
}

/** What stands in a pin folder. */
export type PinsFound =
  | { readonly kind: "none" }
  /** An agent died while making or removing them. */
  | { readonly kind: "half-made"; readonly folder: string; readonly reason: string }
  /** Pins of another version of the agent, whose layouts differ. */
  | { readonly kind: "other-schema"; readonly folders: readonly string[] }
  | { readonly kind: "complete"; readonly folder: string; readonly meta: PinMeta };

/** Pins of another schema. */
export interface OtherPins {
  readonly folder: string;
  /** Undefined where its `meta` is missing or cannot be read. */
  readonly backend: Backend | undefined;
}

/** The pins of one host. */
export class Pins {
  /** The folder of this schema. */
  readonly folder: string;
  readonly #name: string;

  /**
   * @param root `/sys/fs/bpf/aegisbpf`, or `aegisbpf` in another bpffs.
   * @param schema By default that of this version.
   */
  constructor(readonly root: string, readonly schema: number = AEGIS.SCHEMA) {
    this.#name = `schema-${schema}`;
    this.folder = `${root}/${this.#name}`;
  }

  /** Looks at what is pinned, without changing it. */
  find(): PinsFound {
    const folders = listFolder(this.root);
    if (folders === undefined || folders.length === 0) return { kind: "none" };
    if (!folders.includes(this.#name)) {
      return { kind: "other-schema", folders: folders.map((name) => `${this.root}/${name}`) };
    }
    const meta = readMeta(this.folder);
    if (meta?.schema !== this.schema) {
      return { kind: "half-made", folder: this.folder, reason: "no meta" };
    }
    const present = new Set(listFolder(this.folder));
    const expected = [...MAP_NAMES.map(mapPin), ...programsOf(meta.backend).map(linkPin), TELLER_PIN];
    const missing = expected.find((name) => !present.has(name));
    if (missing !== undefined) return { kind: "half-made", folder: this.folder, reason: `no ${missing}` };
    return { kind: "complete", folder: this.folder, meta };
  }

  /**
   * Pins everything.
   *
   * @throws {SystemError} `EEXIST` where pins exist already; those made by this call are taken away again.
   * @throws {BpffsError} where nothing can be made there.
   */
  create(state: KernelState, object: string): void {
    makeFolder(this.folder);
    using undo = new DisposableStack();
    const pin = (name: string, make: (path: string) => void) => {
      const path = `${this.folder}/${name}`;
      make(path);
      undo.defer(() => unlink(path));
    };
    for (const name of MAP_NAMES) pin(mapPin(name), (path) => state.maps[name].pin(path));
    pin(TELLER_PIN, (path) => state.teller.pin(path));
    for (const [name, link] of state.links) pin(linkPin(name), (path) => link.pin(path));
    pin("meta", (path) => pinMeta(path, { schema: this.schema, backend: state.backend, object }));
    undo.move();
  }

  /**
   * Opens what is pinned.
   *
   * @throws {SystemError} if a pin is missing or is something else.
   */
  open(): KernelState {
    const meta = readMeta(this.folder);
    if (meta === undefined) throw new SystemError(2, "bpf_obj_get", `${this.folder}/meta`);
    using opened = new DisposableStack();
    const maps = Object.fromEntries(
      MAP_NAMES.map((name) => [name, opened.use(BpfMap.fromPin(`${this.folder}/${mapPin(name)}`))]),
    ) as Record<MapName, BpfMap>;
    const links = new Map<string, BpfLink>();
    for (const name of this.pinnedPrograms()) {
      links.set(name, opened.use(BpfLink.fromPin(`${this.folder}/${linkPin(name)}`)));
    }
    const teller = opened.use(LoadedProgram.fromPin(`${this.folder}/${TELLER_PIN}`));
    const state = new KernelState({ maps, links, teller, backend: meta.backend });
    opened.move();
    return state;
  }

  /** Names of the programs whose links are pinned. */
  pinnedPrograms(): string[] {
    return (listFolder(this.folder) ?? [])
      .filter((name) => name.startsWith(LINK_PREFIX) && !name.endsWith(NEW_SUFFIX))
      .map((name) => name.slice(LINK_PREFIX.length));
  }

  /** Pins links that were attached since the rest was pinned. */
  addLinks(state: KernelState, programs: readonly string[]): void {
    for (const name of programs) state.links.get(name)?.pin(`${this.folder}/${linkPin(name)}`);
  }

  /** Lets links go: their programs are detached. */
  dropLinks(state: KernelState, programs: readonly string[]): void {
    for (const name of programs) {
      removePin(`${this.folder}/${linkPin(name)}`);
      state.links.get(name)?.[Symbol.dispose]();
      state.links.delete(name);
    }
  }

  /** Opens only the maps, to go on with them under other programs. */
  openMaps(): Maps {
    return Object.fromEntries(
      MAP_NAMES.map((name) => [name, BpfMap.fromPin(`${this.folder}/${mapPin(name)}`)]),
    ) as Record<MapName, BpfMap>;
  }

  /**
   * Puts the programs of `state` in the place of those that are pinned: the new ones are attached already, the old
   * ones are let go one by one, so that there is no moment without.
   */
  replacePrograms(state: KernelState, object: string): void {
    const keep = new Set<string>();
    const swap = (name: string, make: (path: string) => void) => {
      const path = `${this.folder}/${name}`;
      const fresh = `${path}${NEW_SUFFIX}`;
      removePin(fresh);
      make(fresh);
      Deno.renameSync(fresh, path);
      keep.add(name);
    };
    for (const [name, link] of state.links) swap(linkPin(name), (path) => link.pin(path));
    swap(TELLER_PIN, (path) => state.teller.pin(path));
    swap("meta", (path) => pinMeta(path, { schema: this.schema, backend: state.backend, object }));
    for (const name of listFolder(this.folder) ?? []) {
      if (name.startsWith(LINK_PREFIX) && !keep.has(name)) removePin(`${this.folder}/${name}`);
    }
  }

  /** What is pinned of other schemas. */
  others(): OtherPins[] {
    return (listFolder(this.root) ?? []).filter((name) => name !== this.#name).map((name) => {
      const folder = `${this.root}/${name}`;
      return { folder, backend: readMeta(folder)?.backend };
    });
  }

  /** Gives the pins of this schema another name, under which they go on deciding and count as {@linkcode others}. */
  setAside(): void {
    const aside = `${this.folder}-aside`;
    removeFolder(aside);
    Deno.renameSync(this.folder, aside);
  }

  /** Removes all pins, of any schema: what nothing else holds leaves the kernel. */
  remove(): void {
    this.removeOthers();
    this.removeOwn();
  }

  /** Removes the pins of other schemas. */
  removeOthers(): void {
    for (const { folder } of this.others()) removeFolder(folder);
  }

  /** Removes the pins of this schema, and leaves those of others in force. */
  removeOwn(): void {
    removeFolder(this.folder);
    if (listFolder(this.root)?.length === 0) Deno.removeSync(this.root);
  }
}

const LINK_PREFIX = "link-";
/** What takes a pin's place while it is made. */
const NEW_SUFFIX = "-new";
const META_SIZE = 40;
const ZERO_KEY = new Uint8Array(4);
const TELLER_PIN = `prog-${TELLER}`;

/** The name under which a map is pinned. */
export function mapPin(name: MapName): string {
  return `map-${name.replace(/^\./, "").replaceAll(".", "_")}`;
}

function linkPin(program: string): string {
  return `${LINK_PREFIX}${program}`;
}

function pinMeta(path: string, { schema, backend, object }: PinMeta): void {
  using map = BpfMap.create({
    type: MapType.Array,
    name: "aegis_meta",
    keySize: 4,
    valueSize: META_SIZE,
    maxEntries: 1,
  });
  const value = new Uint8Array(META_SIZE);
  viewOf(value).setUint32(0, schema, true);
  viewOf(value).setUint32(4, backendNumber(backend), true);
  value.set(Uint8Array.fromHex(object), 8);
  map.update(ZERO_KEY, value);
  map.pin(path);
}

function readMeta(folder: string): PinMeta | undefined {
  try {
    using map = BpfMap.fromPin(`${folder}/meta`);
    const value = map.lookup(ZERO_KEY);
    if (value === undefined || map.valueSize !== META_SIZE) return undefined;
    const view = viewOf(value);
    const backend = backendOfNumber(view.getUint32(4, true));
    if (backend === undefined) return undefined;
    return { schema: view.getUint32(0, true), backend, object: value.subarray(8, 40).toHex() };
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** Without meta first: whoever finds the rest knows that it is half made. What is there may also be no folder. */
function removeFolder(folder: string): void {
  removePin(`${folder}/meta`);
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function listFolder(path: string): string[] | undefined {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function removePin(path: string): void {
  try {
    unlink(path);
  } catch (error) {
    if (!(error instanceof SystemError && (error.code === "ENOENT" || error.code === "ENOTDIR"))) throw error;
  }
}

function makeFolder(folder: string): void {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BpffsError(
      `Cannot make ${folder}: ${reason}; the bpffs must be writable for the agent (a unit needs ReadWritePaths= for it)`,
    );
  }
}
