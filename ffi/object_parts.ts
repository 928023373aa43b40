/**
 * The programs and maps of an opened BPF object.
 *
 * @module
 */
import { cString, duplicate, lastError, SystemError } from "./libc.ts";
import { libbpf } from "./library.ts";
import { BpfLink } from "./link.ts";
import { BpfMap } from "./map.ts";

/** What programs and maps share: an address that is only good while their object is open. */
abstract class Part {
  readonly name: string;
  readonly #pointer: Deno.PointerObject;
  readonly #isOpen: () => boolean;

  constructor(pointer: Deno.PointerObject, name: string, isOpen: () => boolean) {
    this.#pointer = pointer;
    this.name = name;
    this.#isOpen = isOpen;
  }

  protected get pointer(): Deno.PointerObject {
    if (!this.#isOpen()) throw new TypeError(`Expected the BPF object of ${this.name} to be open`);
    return this.#pointer;
  }

  protected check(status: number, call: string): void {
    if (status < 0) throw new SystemError(-status, call, this.name);
  }

  protected checkFd(fd: number): number {
    if (fd < 0) throw new TypeError(`Expected ${this.name} to be loaded`);
    return fd;
  }
}

/** A program of an opened object. Its methods throw a `TypeError` once the object is closed. */
export class BpfProgram extends Part {
  /** As in `SEC("…")`, for example `"lsm/file_open"`. */
  readonly section: string;

  /** Used by `BpfObject` only. */
  constructor(pointer: Deno.PointerObject, isOpen: () => boolean) {
    const { call } = libbpf();
    super(pointer, text(call.bpf_program__name(pointer)), isOpen);
    this.section = text(call.bpf_program__section_name(pointer));
  }

  /** `enum bpf_prog_type`. */
  get type(): number {
    return libbpf().call.bpf_program__type(this.pointer);
  }

  /** `enum bpf_attach_type`. */
  get attachType(): number {
    return libbpf().call.bpf_program__expected_attach_type(this.pointer);
  }

  /** Whether `BpfObject.load` loads it. */
  get autoload(): boolean {
    return libbpf().call.bpf_program__autoload(this.pointer);
  }

  /**
   * Descriptor of the loaded program; it ends with the object.
   *
   * @throws {TypeError} If it is not loaded.
   */
  get fd(): number {
    return this.checkFd(libbpf().call.bpf_program__fd(this.pointer));
  }

  /** Instructions of 8 bytes, subprograms included once it is loaded. */
  get instructionCount(): number {
    return Number(libbpf().call.bpf_program__insn_cnt(this.pointer));
  }

  /**
   * Sets whether `BpfObject.load` loads it.
   *
   * @throws {SystemError} `EINVAL` after the load.
   */
  setAutoload(load: boolean): void {
    this.check(libbpf().call.bpf_program__set_autoload(this.pointer, load), "bpf_program__set_autoload");
  }

  /**
   * Sets the kernel function of an lsm, fmod_ret, fentry or fexit program, for example `"security_file_open"`
   * (`"file_open"` for lsm).
   *
   * @throws {SystemError} `ESRCH` if the kernel has no such function, `EINVAL` after the load.
   */
  setAttachTarget(kernelFunction: string): void {
    const status = libbpf().call.bpf_program__set_attach_target(this.pointer, 0, cString(kernelFunction));
    this.check(status, `bpf_program__set_attach_target(${kernelFunction})`);
  }

  /**
   * Sets what kind of program it is, before the load.
   *
   * @param type `enum bpf_prog_type`.
   * @param attachType `enum bpf_attach_type`.
   * @throws {SystemError} `EBUSY` after the load.
   */
  setType(type: number, attachType: number): void {
    const { call } = libbpf();
    this.check(call.bpf_program__set_type(this.pointer, type), "bpf_program__set_type");
    const status = call.bpf_program__set_expected_attach_type(this.pointer, attachType);
    this.check(status, "bpf_program__set_expected_attach_type");
  }

  /** Where the verifier's log goes; used by `BpfObject.load` only. */
  setLog(log: Uint8Array<ArrayBuffer> | null): void {
    libbpf().call.bpf_program__set_log_buf(this.pointer, log, BigInt(log?.length ?? 0));
  }

  /**
   * Attaches it to the hook that its section, or {@linkcode setAttachTarget}, names.
   *
   * @throws {SystemError} As `BPF_LINK_CREATE`: `EBUSY`, `EPERM`, `ENOTSUPP` (arm64 before 6.4), …
   */
  attach(): BpfLink {
    const { call } = libbpf();
    const link = call.bpf_program__attach(this.pointer);
    if (link === null) throw lastError("bpf_program__attach", this.name);
    // From here on the descriptor stands for the link, and libbpf's own object of it is freed.
    const fd = call.bpf_link__fd(link);
    call.bpf_link__disconnect(link);
    call.bpf_link__destroy(link);
    return BpfLink.fromFd(fd);
  }
}

/** A map of an opened object. Its methods throw a `TypeError` once the object is closed. */
export class ObjectMap extends Part {
  /** `".rodata"`, `".bss"`, … of a map that holds global variables. */
  readonly section: string | undefined;

  /** Used by `BpfObject` only. */
  constructor(pointer: Deno.PointerObject, isOpen: () => boolean) {
    super(pointer, text(libbpf().call.bpf_map__name(pointer)), isOpen);
    // libbpf puts the object's name before the section's, and no other map's name has a dot.
    const dot = this.name.indexOf(".");
    this.section = dot < 0 ? undefined : this.name.slice(dot);
  }

  /** `enum bpf_map_type`. */
  get type(): number {
    return libbpf().call.bpf_map__type(this.pointer);
  }

  /** Bytes. */
  get keySize(): number {
    return libbpf().call.bpf_map__key_size(this.pointer);
  }

  /** Bytes. */
  get valueSize(): number {
    return libbpf().call.bpf_map__value_size(this.pointer);
  }

  /** Entries, or bytes of a ring buffer. */
  get maxEntries(): number {
    return libbpf().call.bpf_map__max_entries(this.pointer);
  }

  /**
   * Descriptor of the created or reused map; it ends with the object.
   *
   * @throws {TypeError} If there is none yet.
   */
  get fd(): number {
    return this.checkFd(libbpf().call.bpf_map__fd(this.pointer));
  }

  /**
   * Sets the number of entries, before the load.
   *
   * @throws {SystemError} `EBUSY` after it.
   */
  setMaxEntries(count: number): void {
    this.check(libbpf().call.bpf_map__set_max_entries(this.pointer, count), "bpf_map__set_max_entries");
  }

  /**
   * Has the load use the map that is pinned at `path`, or pin the new one there.
   *
   * @throws {SystemError} `ENOMEM`.
   */
  setPinPath(path: string): void {
    this.check(libbpf().call.bpf_map__set_pin_path(this.pointer, cString(path)), "bpf_map__set_pin_path");
  }

  /**
   * Sets whether the load creates it; programs that use it must not be loaded then.
   *
   * @throws {SystemError} `EBUSY` after the load.
   */
  setAutocreate(create: boolean): void {
    this.check(libbpf().call.bpf_map__set_autocreate(this.pointer, create), "bpf_map__set_autocreate");
  }

  /**
   * Has the load use an existing map instead of creating one.
   *
   * @param fd Its descriptor, which is duplicated.
   * @throws {SystemError} `EBADF`, `EINVAL`.
   */
  reuseFd(fd: number): void {
    this.check(libbpf().call.bpf_map__reuse_fd(this.pointer, fd), "bpf_map__reuse_fd");
  }

  /**
   * A copy of the initial contents of a map of global variables.
   *
   * @throws {TypeError} If it is another kind of map.
   */
  initialValue(): Uint8Array<ArrayBuffer> {
    const size = new BigUint64Array(new ArrayBuffer(8));
    const pointer = libbpf().call.bpf_map__initial_value(this.pointer, new Uint8Array(size.buffer));
    if (pointer === null) throw new TypeError(`Expected map ${this.name} to hold global variables`);
    return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, Number(size[0]))).slice();
  }

  /**
   * Sets the initial contents of a map of global variables, before the load.
   *
   * @param bytes Exactly as many as {@linkcode initialValue} has.
   * @throws {SystemError} `EINVAL` if the length differs or it is another kind of map; `EINVAL` or `EBUSY` after the load.
   */
  setInitialValue(bytes: Uint8Array): void {
    const { call } = libbpf();
    const stable = bytes as Uint8Array<ArrayBuffer>;
    const status = call.bpf_map__set_initial_value(this.pointer, stable, BigInt(bytes.length));
    this.check(status, "bpf_map__set_initial_value");
  }

  /**
   * The map, with a descriptor of its own that outlives the object.
   *
   * @throws {TypeError} If it is neither created nor reused.
   */
  open(): BpfMap {
    return BpfMap.fromFd(duplicate(this.fd));
  }
}

function text(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : Deno.UnsafePointerView.getCString(pointer);
}
