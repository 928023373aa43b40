/**
 * BPF object files: open, adjust, load and attach.
 *
 * @module
 */
import type { BpfLink } from "./link.ts";
import type { BpfMap } from "./map.ts";

const unfinished = (): never => {
  throw new Error("not filled in");
};

/** The kernel or libbpf refused to load an object. */
export class BpfLoadError extends Error {
  readonly errno!: number;
  readonly code!: string;
  /** The program that was refused, if one was. */
  readonly program: string | undefined;
  /** The verifier's log; empty if it did not come to that. */
  readonly verifierLog!: string;
  /** One line: what the verifier, or libbpf, had against it. */
  readonly summary!: string;
  /** libbpf's warnings during the load, one a line. */
  readonly libbpfLog!: string;
}

/** An opened BPF object file. Programs and maps obtained from it end with it; links and `openMap` do not. */
export class BpfObject implements Disposable {
  /** @throws {SystemError} If the bytes are not a BPF object. */
  static open(_bytes: Uint8Array, _name: string): BpfObject {
    return unfinished();
  }
  programs(): BpfProgram[] {
    return unfinished();
  }
  /** @throws {RangeError} If there is no such program. */
  program(_name: string): BpfProgram {
    return unfinished();
  }
  maps(): ObjectMap[] {
    return unfinished();
  }
  /** @throws {RangeError} If there is no such map. `.rodata`, `.bss` and `.data` are found by these names. */
  map(_name: string): ObjectMap {
    return unfinished();
  }
  /** A global variable of `.rodata`, `.data`, `.bss`, found through the object's BTF. */
  variable(_name: string): GlobalVariable {
    return unfinished();
  }
  /** @throws {BpfLoadError} */
  load(): void {}
  [Symbol.dispose](): void {}
}

/** A program of an opened object. */
export interface BpfProgram {
  readonly name: string;
  readonly section: string;
  /** `enum bpf_prog_type`. */
  readonly type: number;
  readonly autoload: boolean;
  /** File descriptor once loaded. */
  readonly fd: number;
  readonly instructionCount: number;
  setAutoload(load: boolean): void;
  /** Kernel function for lsm, fmod_ret, fentry, fexit. @throws {SystemError} `ESRCH`/`ENOENT` if the kernel lacks it. */
  setAttachTarget(name: string): void;
  /** `enum bpf_prog_type` and `enum bpf_attach_type`. */
  setType(type: number, attachType: number): void;
  /** @throws {SystemError} */
  attach(): BpfLink;
}

/** A map of an opened object. */
export interface ObjectMap {
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** File descriptor once loaded; it ends with the object. */
  readonly fd: number;
  setMaxEntries(count: number): void;
  setPinPath(path: string): void;
  setAutocreate(create: boolean): void;
  /** Uses an existing map instead of creating one; `fd` is duplicated. */
  reuseFd(fd: number): void;
  /** Copy of the initial contents of `.rodata`, `.data`, `.bss`, before load. */
  initialValue(): Uint8Array<ArrayBuffer>;
  setInitialValue(bytes: Uint8Array): void;
  /** A map with a file descriptor of its own, that outlives the object. */
  open(): BpfMap;
}

/** A global variable: where it lives, and its initial value. */
export interface GlobalVariable {
  readonly name: string;
  /** Map that holds it, for example `.rodata`. */
  readonly map: ObjectMap;
  /** Bytes from the start of the map's value. */
  readonly offset: number;
  readonly size: number;
  /** Before load only. */
  initialValue(): Uint8Array<ArrayBuffer>;
  /** Before load only; `bytes` has exactly `size` bytes. */
  setInitialValue(bytes: Uint8Array): void;
}
