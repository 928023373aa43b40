/**
 * What maps, programs and links have in common: a file descriptor, an id and pins.
 *
 * @module
 */
import { close, cString, SystemError } from "./libc.ts";
import { libbpf } from "./library.ts";

/** Kinds of object that bpf(2) hands out. */
export type HandleKind = "map" | "prog" | "link";

/** A file descriptor of a BPF object, with what all kinds of them can do. */
export abstract class Handle implements Disposable {
  #fd: number;

  /**
   * Takes over `fd`, also by closing it where it is not of that kind.
   *
   * @throws {SystemError} `EBADF` if it is not open, `EINVAL` if it is not of that kind.
   */
  protected constructor(fd: number, kind: HandleKind) {
    this.#fd = fd;
    const found = kindOf(fd);
    if (found === kind) return;
    if (found === undefined) throw new SystemError(EBADF, `BPF ${kind}`, `fd ${fd}`);
    close(fd);
    throw new SystemError(EINVAL, `BPF ${kind}`, `fd ${fd} is ${found}`);
  }

  /**
   * The descriptor; it stays the handle's own.
   *
   * @throws {SystemError} `EBADF` once the handle is disposed of.
   */
  get fd(): number {
    if (this.#fd < 0) throw new SystemError(EBADF, "fd", "of a BPF handle that was disposed of");
    return this.#fd;
  }

  /**
   * Gives the object a name in a BPF file system, which keeps it in the kernel.
   *
   * @throws {SystemError} `EEXIST` if the path is taken, `EPERM` if it is not in a BPF file system.
   */
  pin(path: string): void {
    const status = libbpf().call.bpf_obj_pin(this.fd, cString(path));
    if (status < 0) throw new SystemError(-status, "bpf_obj_pin", path);
  }

  /** Closes the descriptor, unless that was done already. */
  [Symbol.dispose](): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) close(fd);
  }
}

/**
 * A new descriptor of what is pinned at `path`, of whatever kind.
 *
 * @throws {SystemError} `ENOENT` if nothing is there, `EACCES` or `EINVAL` if it is no pin.
 */
export function openPin(path: string): number {
  const fd = libbpf().call.bpf_obj_get(cString(path));
  if (fd < 0) throw new SystemError(-fd, "bpf_obj_get", path);
  return fd;
}

/**
 * A new descriptor of the object with this id.
 *
 * @throws {SystemError} `ENOENT` if there is none.
 */
export function openId(kind: HandleKind, id: number): number {
  const { call } = libbpf();
  const fd = kind === "map"
    ? call.bpf_map_get_fd_by_id(id)
    : kind === "prog"
    ? call.bpf_prog_get_fd_by_id(id)
    : call.bpf_link_get_fd_by_id(id);
  if (fd < 0) throw new SystemError(-fd, `bpf_${kind}_get_fd_by_id`, `${id}`);
  return fd;
}

/**
 * Has the kernel fill `info`, a `struct bpf_*_info` that may be longer or shorter than the kernel's own.
 *
 * @throws {SystemError} As `BPF_OBJ_GET_INFO_BY_FD`.
 */
export function readInfo(fd: number, info: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  const length = new Uint32Array([info.length]);
  const status = libbpf().call.bpf_obj_get_info_by_fd(fd, info, new Uint8Array(length.buffer));
  if (status < 0) throw new SystemError(-status, "bpf_obj_get_info_by_fd", `fd ${fd}`);
  return new DataView(info.buffer);
}

/** The NUL-terminated text at `offset`, of at most `size` bytes. */
export function textAt(info: Uint8Array<ArrayBuffer>, offset: number, size: number): string {
  const field = info.subarray(offset, offset + size);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

const EBADF = 9;
const EINVAL = 22;

/** The kernel's info structures do not tell kinds apart; the name of the file does. */
function kindOf(fd: number): string | undefined {
  try {
    const file = Deno.readLinkSync(`/proc/self/fd/${fd}`);
    return /^anon_inode:\[?bpf[-_](map|prog|link)\b/.exec(file)?.[1] ?? file;
  } catch {
    return undefined;
  }
}
