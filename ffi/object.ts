/**
 * BPF object files: open, adjust and load them. Their parts are in `object_parts.ts`.
 *
 * @module
 */
import { GlobalVariable, sectionVariables } from "./global_variable.ts";
import { cString, errno } from "./libc.ts";
import { libbpf } from "./library.ts";
import { BpfLoadError } from "./load_error.ts";
import { BpfProgram, ObjectMap } from "./object_parts.ts";

export { BpfLoadError } from "./load_error.ts";
export type { GlobalVariable } from "./global_variable.ts";
export type { BpfProgram, ObjectMap } from "./object_parts.ts";

/**
 * An opened BPF object file. The programs, maps and variables obtained from it end with it; links, and maps from
 * `ObjectMap.open`, do not.
 */
export class BpfObject implements Disposable {
  /** Name that was given to it; libbpf makes it the prefix of the names of `.rodata`, `.bss` and `.data`. */
  readonly name: string;
  readonly #programs: ReadonlyMap<string, BpfProgram>;
  readonly #maps: readonly ObjectMap[];
  #pointer: Deno.PointerValue;
  #variables: ReadonlyMap<string, GlobalVariable> | undefined;

  private constructor(pointer: Deno.PointerObject, name: string) {
    this.#pointer = pointer;
    this.name = name;
    const { call } = libbpf();
    const isOpen = () => this.#pointer !== null;
    const programs = iterate((previous) => call.bpf_object__next_program(pointer, previous));
    this.#programs = new Map(
      programs.map((part) => new BpfProgram(part, isOpen)).map((program) => [program.name, program]),
    );
    const maps = iterate((previous) => call.bpf_object__next_map(pointer, previous));
    this.#maps = maps.map((part) => new ObjectMap(part, isOpen));
  }

  /**
   * Parses an object file; nothing reaches the kernel yet.
   *
   * @param bytes What the compiler wrote.
   * @param name For messages.
   * @throws {BpfLoadError} If the bytes are not a BPF object that this libbpf understands.
   */
  static open(bytes: Uint8Array, name: string): BpfObject {
    const library = libbpf();
    library.takeWarnings();
    const objectName = cString(name);
    const options = new Uint8Array(new ArrayBuffer(OPEN_OPTIONS_SIZE));
    const view = new DataView(options.buffer);
    view.setBigUint64(0, BigInt(OPEN_OPTIONS_SIZE), true);
    const stableName = new Uint8Array(new ArrayBuffer(Math.max(objectName.length, 128)));
    stableName.set(objectName);
    view.setBigUint64(8, Deno.UnsafePointer.value(Deno.UnsafePointer.of(stableName)), true);
    const pointer = library.call.bpf_object__open_mem(
      bytes as Uint8Array<ArrayBuffer>,
      BigInt(bytes.length),
      options,
    );
    if (pointer !== null) return new BpfObject(pointer, name);
    const code = errno();
    throw new BpfLoadError({ object: name, errno: code, verifierLog: "", warnings: library.takeWarnings() });
  }

  /** Its programs, in the file's order. */
  programs(): BpfProgram[] {
    return [...this.#programs.values()];
  }

  /** @throws {RangeError} If it has no program of that name. */
  program(name: string): BpfProgram {
    return this.#programs.get(name) ?? missing("program", name, this.#programs.keys());
  }

  /** Its maps, those of global variables included. */
  maps(): ObjectMap[] {
    return [...this.#maps];
  }

  /**
   * A map by its name; `.rodata`, `.data` and `.bss` are found by these names.
   *
   * @throws {RangeError} If it has no map of that name.
   */
  map(name: string): ObjectMap {
    return this.#maps.find((map) => map.name === name || map.section === name) ??
      missing("map", name, this.#maps.map((map) => map.section ?? map.name));
  }

  /**
   * A global variable, found through the object's BTF.
   *
   * @throws {RangeError} If it has no variable of that name (the compiler drops those that nothing uses).
   */
  variable(name: string): GlobalVariable {
    this.#variables ??= this.#readVariables();
    return this.#variables.get(name) ?? missing("variable", name, this.#variables.keys());
  }

  /**
   * Creates the maps and loads the programs that are set to be loaded. After a failure the object is of no more use.
   *
   * @throws {BpfLoadError} With the verifier's log, if it was the verifier.
   */
  load(): void {
    const library = libbpf();
    library.takeWarnings();
    // libbpf asks the kernel for a log only once it has refused a program, and stops there: one buffer serves all.
    const log = new Uint8Array(new ArrayBuffer(LOG_SIZE));
    const pointer = this.#open();
    this.#setLog(log);
    const status = library.call.bpf_object__load(pointer);
    this.#setLog(null);
    if (status >= 0) return;
    const end = log.indexOf(0);
    const verifierLog = new TextDecoder().decode(end < 0 ? log : log.subarray(0, end));
    throw new BpfLoadError({
      object: this.name,
      errno: -status,
      verifierLog,
      warnings: library.takeWarnings(),
    });
  }

  /** Closes it, with its programs and maps. */
  [Symbol.dispose](): void {
    if (this.#pointer !== null) libbpf().call.bpf_object__close(this.#pointer);
    this.#pointer = null;
  }

  #open(): Deno.PointerObject {
    if (this.#pointer === null) throw new TypeError(`Expected BPF object ${this.name} to be open`);
    return this.#pointer;
  }

  #setLog(log: Uint8Array<ArrayBuffer> | null): void {
    for (const program of this.#programs.values()) program.setLog(log);
  }

  #readVariables(): ReadonlyMap<string, GlobalVariable> {
    const btf = libbpf().call.bpf_object__btf(this.#open());
    const variables = new Map<string, GlobalVariable>();
    if (btf === null) return variables;
    for (const map of this.#maps) {
      if (map.section === undefined) continue;
      for (const { name, offset, size } of sectionVariables(btf, map.section)) {
        variables.set(name, new GlobalVariable(name, map, offset, size));
      }
    }
    return variables;
  }
}

/** `struct bpf_object_open_opts` up to and with `object_name`. */
const OPEN_OPTIONS_SIZE = 16;
/** Before 6.4 the kernel drops the end of a log that does not fit, where the reason is. Untouched pages cost nothing. */
const LOG_SIZE = 4 << 20;

function iterate(next: (previous: Deno.PointerValue) => Deno.PointerValue): Deno.PointerObject[] {
  const found: Deno.PointerObject[] = [];
  for (let part = next(null); part !== null; part = next(part)) found.push(part);
  return found;
}

function missing(what: string, name: string, present: Iterable<string>): never {
  throw new RangeError(
    `Expected a ${what} ${name} in the BPF object, which has ${[...present].join(", ") || "none"}`,
  );
}
