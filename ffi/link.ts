/**
 * BPF links: what keeps a program attached.
 *
 * @module
 */
import { Handle, openId, openPin, readInfo, textAt } from "./handle.ts";
import { SystemError, unlink } from "./libc.ts";
import { libbpf } from "./library.ts";

/** What the kernel says about a link. */
export interface LinkInfo {
  readonly id: number;
  /** `"tracing"` for lsm, fmod_ret and fentry; `"raw_tracepoint"`; else `"type<number>"`. */
  readonly type: string;
  readonly programId: number;
  /** `enum bpf_attach_type` of a tracing link. */
  readonly attachType?: number;
  /** BTF id of the object that holds the function of a tracing link (1 on most kernels: vmlinux). */
  readonly targetObjectId?: number;
  /** BTF id of the function of a tracing link. */
  readonly targetBtfId?: number;
  /** Tracepoint of a raw_tracepoint link. */
  readonly tracepoint?: string;
}

/** A link; closing an unpinned one detaches its program, closing a pinned one does not. */
export class BpfLink extends Handle {
  #pinPath: string | undefined;

  private constructor(fd: number, pinPath?: string) {
    super(fd, "link");
    this.#pinPath = pinPath;
  }

  /**
   * Opens a pinned link.
   *
   * @throws {SystemError} `ENOENT` if nothing is pinned there, `EINVAL` if it is not a link.
   */
  static fromPin(path: string): BpfLink {
    return new BpfLink(openPin(path), path);
  }

  /**
   * Opens a link by its id.
   *
   * @throws {SystemError} `ENOENT` if there is none.
   */
  static fromId(id: number): BpfLink {
    return new BpfLink(openId("link", id));
  }

  /**
   * Takes over `fd`: disposing of the link closes it.
   *
   * @throws {SystemError} `EBADF` or `EINVAL` if it is not a link.
   */
  static fromFd(fd: number): BpfLink {
    return new BpfLink(fd);
  }

  /** Where this object pinned the link or opened it from. */
  get pinPath(): string | undefined {
    return this.#pinPath;
  }

  override pin(path: string): void {
    super.pin(path);
    this.#pinPath = path;
  }

  /**
   * Removes the pin that {@linkcode pinPath} names; the program stays attached while this object is open.
   *
   * @throws {SystemError} `ENOENT` if it is gone or never was.
   */
  unpin(): void {
    if (this.#pinPath === undefined) throw new SystemError(ENOENT, "unlink", "of a link without a pin");
    unlink(this.#pinPath);
    this.#pinPath = undefined;
  }

  /**
   * Asks the kernel about the link.
   *
   * @throws {SystemError} As `BPF_OBJ_GET_INFO_BY_FD`.
   */
  info(): LinkInfo {
    const bytes = new Uint8Array(new ArrayBuffer(INFO_SIZE));
    let view = readInfo(this.fd, bytes);
    const type = view.getUint32(0, true);
    const common = { id: view.getUint32(4, true), programId: view.getUint32(8, true) };
    if (type === LINK_TRACING) {
      return {
        ...common,
        type: "tracing",
        attachType: view.getUint32(16, true),
        targetObjectId: view.getUint32(20, true),
        targetBtfId: view.getUint32(24, true),
      };
    }
    if (type !== LINK_RAW_TRACEPOINT) return { ...common, type: `type${type}` };
    // The kernel writes the name to where the second request points.
    const name = new Uint8Array(new ArrayBuffer(NAME_SIZE));
    bytes.fill(0);
    view.setBigUint64(16, Deno.UnsafePointer.value(Deno.UnsafePointer.of(name)), true);
    view.setUint32(24, name.length, true);
    view = readInfo(this.fd, bytes);
    return { ...common, type: "raw_tracepoint", tracepoint: textAt(name, 0, name.length) };
  }

  /**
   * Takes the program off its hook: removes the pin that this object knows of and closes the link. One that is also
   * pinned elsewhere or held by another process stays attached, unless its kind can be detached by force (those of
   * cgroups and networks; the kernel refuses it for tracing and raw_tracepoint).
   *
   * @throws {SystemError} If the pin cannot be removed.
   */
  detach(): void {
    const status = libbpf().call.bpf_link_detach(this.fd);
    if (status < 0 && ![EINVAL, EOPNOTSUPP].includes(-status)) {
      throw new SystemError(-status, "bpf_link_detach");
    }
    if (this.#pinPath !== undefined) this.unpin();
    this[Symbol.dispose]();
  }
}

const ENOENT = 2;
const EINVAL = 22;
const EOPNOTSUPP = 95;
const LINK_RAW_TRACEPOINT = 1;
const LINK_TRACING = 2;
const INFO_SIZE = 64;
const NAME_SIZE = 128;
