/**
 * BPF links: what keeps a program attached.
 *
 * @module
 */
const unfinished = (): never => {
  throw new Error("not filled in");
};

/** What the kernel says about a link. */
export interface LinkInfo {
  readonly id: number;
  /** `"tracing"` for lsm, fmod_ret and fentry; `"raw_tracepoint"`; else `"type<number>"`. */
  readonly type: string;
  readonly programId: number;
  /** `enum bpf_attach_type` of a tracing link. */
  readonly attachType?: number;
  /** BTF ids of the object and function of a tracing link. */
  readonly targetObjectId?: number;
  readonly targetBtfId?: number;
  /** Tracepoint of a raw_tracepoint link. */
  readonly tracepoint?: string;
}

/** A link; closing an unpinned one detaches its program, closing a pinned one does not. */
export class BpfLink implements Disposable {
  /** @throws {SystemError} `ENOENT` if nothing is pinned there. */
  static fromPin(_path: string): BpfLink {
    return unfinished();
  }
  static fromId(_id: number): BpfLink {
    return unfinished();
  }
  static fromFd(_fd: number): BpfLink {
    return unfinished();
  }
  get fd(): number {
    return unfinished();
  }
  /** Where this object pinned the link or opened it from. */
  get pinPath(): string | undefined {
    return unfinished();
  }
  pin(_path: string): void {}
  /** Removes the pin; the program stays attached while this object is open. */
  unpin(): void {}
  info(): LinkInfo {
    return unfinished();
  }
  /** Detaches at once, pinned or not, by whomever the link is held (BPF_LINK_DETACH, kernel 5.9; EOPNOTSUPP for tracing and raw_tp links). */
  detach(): void {}
  [Symbol.dispose](): void {}
}
