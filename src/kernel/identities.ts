/**
 * Asks the kernel what a path is to it. The identity is never computed from `stat`: btrfs and overlayfs show other
 * devices there, and no generation.
 *
 * @module
 */
import { type FileDescriptor, openAt, OpenFlags, openPath, SystemError } from "../../ffi/libc.ts";
import type { LoadedProgram } from "../../ffi/loaded_program.ts";
import { BTRFS_MAGIC, isBtrfsMounted, tellSubvolumes } from "./btrfs.ts";
import type { Control } from "./control.ts";
import type { Identity } from "./packed.ts";

/** What the kernel says about a path. */
export interface Known {
  readonly identity: Identity;
  /** As `st_mode`. */
  readonly mode: number;
  /** Number of names. */
  readonly links: number;
}

/** Tells the identities of paths; one question at a time, as there is one place for the answer. */
export class Identities {
  readonly #teller: LoadedProgram;
  readonly #control: Control;
  /** Is told of every directory in which names are looked up. */
  entered: ((directory: FileDescriptor) => void) | undefined;
  readonly #context = new Uint8Array(16);
  readonly #contextView = new DataView(this.#context.buffer);
  #lacksBtrfs = false;

  /** `teller` is the program `tell_identity`, `control` the state that it answers in. */
  constructor(teller: LoadedProgram, control: Control) {
    this.#teller = teller;
    this.#control = control;
  }

  /**
   * What `path` names; undefined where nothing is there.
   *
   * @param options `follow`: whether a symbolic link at the end is followed, by default yes.
   * @throws {SystemError} `EACCES`, `ELOOP`, … as `openat(2)`.
   */
  of(path: string, { follow = true }: { readonly follow?: boolean } = {}): Known | undefined {
    using handle = openIfThere(() => openPath(path, { follow }));
    return handle && this.ofHandle(handle);
  }

  /** What `name` in an open directory names, without following a symbolic link; undefined where nothing is there. */
  in(directory: FileDescriptor, name: string): Known | undefined {
    using handle = openIfThere(() => openAt(name, { flags: OpenFlags.Path | OpenFlags.NoFollow, directory }));
    return handle && this.ofHandle(handle);
  }

  /**
   * What an open file is.
   *
   * @throws {SystemError} if the kernel does not run the program.
   */
  ofHandle(handle: FileDescriptor): Known {
    const known = this.above(handle, 0);
    if (known === undefined) throw new SystemError(ENODATA, "tell_identity", `fd ${handle.fd}`);
    return known;
  }

  /**
   * The directory so many names above an open file, as the kernel's walk from the file to its file system's root meets
   * it: mounts do not count. Undefined above that root.
   *
   * @param levels 0 is the file itself, at most 128.
   */
  above(handle: FileDescriptor, levels: number): Known | undefined {
    this.#contextView.setBigUint64(0, BigInt(handle.fd), true);
    this.#contextView.setBigUint64(8, BigInt(levels), true);
    let told = this.#ask();
    if (told?.magic === BTRFS_MAGIC && this.#learnsBtrfs()) told = this.#ask();
    return told && { identity: told.identity, mode: told.mode, links: told.links };
  }

  /** Lets the kernel side tell files apart on file systems that are there since; needed where nobody asks about them. */
  learnFileSystems(): void {
    if (!this.#control.knowsBtrfs && isBtrfsMounted()) this.#learnsBtrfs();
  }

  /** Whether the kernel side knows subvolumes now and did not before. */
  #learnsBtrfs(): boolean {
    if (this.#control.knowsBtrfs || this.#lacksBtrfs) return false;
    this.#lacksBtrfs = !tellSubvolumes(this.#control);
    return !this.#lacksBtrfs;
  }

  #ask(): Told | undefined {
    const { seen } = this.#control.told();
    this.#teller.run(this.#context);
    const told = this.#control.told();
    return told.seen === seen ? undefined : told;
  }
}

/** Opens, or gives undefined where there is nothing to open. */
export function openIfThere(open: () => FileDescriptor): FileDescriptor | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof SystemError && (error.code === "ENOENT" || error.code === "ENOTDIR")) {
      return undefined;
    }
    throw error;
  }
}

type Told = ReturnType<Control["told"]>;
const ENODATA = 61;
