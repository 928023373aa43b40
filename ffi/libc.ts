/**
 * The few functions of libc that Deno has no counterpart for.
 *
 * @module
 */
import { SystemError } from "./errno.ts";

export { errnoName, errnoNumber, SystemError } from "./errno.ts";

/** Flags of `openat(2)`; some differ between x86-64 and arm64. */
export const OpenFlags = {
  ReadOnly: 0,
  WriteOnly: 1,
  ReadWrite: 2,
  Create: 0o100,
  Exclusive: 0o200,
  Truncate: 0o1000,
  Append: 0o2000,
  NonBlock: 0o4000,
  Directory: Deno.build.arch === "aarch64" ? 0o40000 : 0o200000,
  NoFollow: Deno.build.arch === "aarch64" ? 0o100000 : 0o400000,
  CloseOnExec: 0o2000000,
  /** A handle on the place only: no permission on the file is needed and `security_file_open` is not called. */
  Path: 0o10000000,
} as const;

/** Flags of `mount(2)`. */
export const MountFlags = {
  ReadOnly: 1,
  NoSuid: 2,
  NoDev: 4,
  NoExec: 8,
  Bind: 4096,
  Recursive: 16384,
  Private: 1 << 18,
} as const;

/** What `statx(2)` says about a file. */
export interface FileStatus {
  /** As user space sees it; on btrfs and overlayfs this is not the superblock's device. */
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly inode: bigint;
  /** File type and permission bits, as `st_mode`. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: bigint;
  /** Id of the mount, as in `/proc/self/mountinfo`; 0 before kernel 5.8. */
  readonly mountId: bigint;
}

/** A file descriptor that `using` closes. */
export class FileDescriptor implements Disposable {
  #fd: number;

  /** Takes over `fd`. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * The number.
   *
   * @throws {SystemError} `EBADF` once it is closed.
   */
  get fd(): number {
    if (this.#fd < 0) throw new SystemError(9, "fd");
    return this.#fd;
  }

  /** Closes it, unless that was done already. */
  [Symbol.dispose](): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) close(fd);
  }
}

/** How {@linkcode openAt} opens. */
export interface OpenOptions {
  /** An OR of {@linkcode OpenFlags}; `CloseOnExec` is always added. Read-only by default. */
  readonly flags?: number;
  /** Permission bits of a new file; 0o600 by default. */
  readonly mode?: number;
  /** Directory that a relative path starts from; the working directory by default. */
  readonly directory?: FileDescriptor;
}

/**
 * Opens a path, given as text or, where it is not valid UTF-8, as bytes.
 *
 * @throws {SystemError} As `openat(2)`.
 * @throws {RangeError} If the path holds a NUL.
 */
export function openAt(path: string | Uint8Array, options: OpenOptions = {}): FileDescriptor {
  const flags = (options.flags ?? OpenFlags.ReadOnly) | OpenFlags.CloseOnExec;
  const bytes = cString(path);
  for (;;) {
    const fd = libc().openat(options.directory?.fd ?? AT_FDCWD, bytes, flags, options.mode ?? 0o600);
    if (fd >= 0) return new FileDescriptor(fd);
    if (errno() !== EINTR) throw lastError("openat", describe(path));
  }
}

/** A handle on the place that `path` names; a symbolic link is followed unless `follow` is false. */
export function openPath(path: string | Uint8Array, { follow = true } = {}): FileDescriptor {
  return openAt(path, { flags: OpenFlags.Path | (follow ? 0 : OpenFlags.NoFollow) });
}

/**
 * Status of an open file, an `O_PATH` handle included. The kernel runs `security_inode_getattr` on its inode.
 *
 * @throws {SystemError} As `statx(2)`.
 */
export function statFd(fd: number): FileStatus {
  if (libc().statx(fd, EMPTY, AT_EMPTY_PATH, STATX_BASIC | STATX_MNT_ID, statxBytes) !== 0) {
    throw lastError("statx", `fd ${fd}`);
  }
  return {
    deviceMajor: statxView.getUint32(136, true),
    deviceMinor: statxView.getUint32(140, true),
    inode: statxView.getBigUint64(32, true),
    mode: statxView.getUint16(28, true),
    links: statxView.getUint32(16, true),
    uid: statxView.getUint32(20, true),
    gid: statxView.getUint32(24, true),
    size: statxView.getBigUint64(40, true),
    mountId: statxView.getBigUint64(144, true),
  };
}

/**
 * Removes a name from a directory.
 *
 * @throws {SystemError} `ENOENT` if there is none.
 */
export function unlink(path: string | Uint8Array): void {
  if (libc().unlink(cString(path)) !== 0) throw lastError("unlink", describe(path));
}

/** Closes a file descriptor; one that is not open is ignored. */
export function close(fd: number): void {
  libc().close(fd);
}

/**
 * A second descriptor of the same open file, closed on exec.
 *
 * @throws {SystemError} `EBADF` if `fd` is not open.
 */
export function duplicate(fd: number): number {
  const copy = libc().fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) throw lastError("fcntl(F_DUPFD_CLOEXEC)", `fd ${fd}`);
  return copy;
}

/**
 * An anonymous file that holds `bytes` and can no more be changed by anyone. Its path is `/proc/self/fd/<fd>`.
 *
 * @throws {SystemError} As `memfd_create(2)`.
 */
export function sealedMemoryFile(name: string, bytes: Uint8Array): FileDescriptor {
  const cName = cString(name);
  // Without MFD_NOEXEC_SEAL, which kernels before 6.3 do not know, vm.memfd_noexec=2 refuses.
  let fd = libc().memfd_create(cName, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd < 0) fd = libc().memfd_create(cName, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) throw lastError("memfd_create", name);
  const file = new FileDescriptor(fd);
  try {
    for (let written = 0; written < bytes.length;) {
      const rest = bytes.subarray(written);
      const count = Number(libc().write(fd, rest as Uint8Array<ArrayBuffer>, BigInt(rest.length)));
      if (count < 0 && errno() !== EINTR) throw lastError("write", name);
      written += Math.max(count, 0);
    }
    if (libc().fcntl(fd, F_ADD_SEALS, ALL_SEALS) !== 0) throw lastError("fcntl(F_ADD_SEALS)", name);
    return file;
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/**
 * Mounts a file system.
 *
 * @param flags An OR of {@linkcode MountFlags}.
 * @param data Options of the file system, for example `"mode=0700"`.
 * @throws {SystemError} As `mount(2)`.
 */
export function mount(source: string, target: string, type: string, flags = 0, data = ""): void {
  const status = libc().mount(cString(source), cString(target), cString(type), BigInt(flags), cString(data));
  if (status !== 0) throw lastError("mount", target);
}

/**
 * Unmounts what is mounted at `target`; with `detach`, even while it is in use (`MNT_DETACH`).
 *
 * @throws {SystemError} As `umount2(2)`.
 */
export function unmount(target: string, { detach = false } = {}): void {
  if (libc().umount2(cString(target), detach ? MNT_DETACH : 0) !== 0) throw lastError("umount2", target);
}

/**
 * Lifts the limit on locked memory, which kernels before 5.11 charge BPF maps to.
 *
 * @throws {SystemError} `EPERM` without `CAP_SYS_RESOURCE`.
 */
export function raiseMemlockLimit(): void {
  const unlimited = new BigUint64Array([RLIM_INFINITY, RLIM_INFINITY]);
  if (libc().setrlimit(RLIMIT_MEMLOCK, new Uint8Array(unlimited.buffer)) !== 0) {
    throw lastError("setrlimit", "RLIMIT_MEMLOCK");
  }
}

/** Magic number of the file system that holds `path` (`f_type` of `statfs(2)`); see {@linkcode BPF_FS_MAGIC}. */
export function fileSystemType(path: string): number {
  const bytes = new Uint8Array(new ArrayBuffer(256));
  if (libc().statfs(cString(path), bytes) !== 0) throw lastError("statfs", path);
  return new DataView(bytes.buffer).getUint32(0, true);
}

/** {@linkcode fileSystemType} of a BPF file system. */
export const BPF_FS_MAGIC = 0xcafe4a11;

/** {@linkcode fileSystemType} of a cgroup v2 hierarchy. */
export const CGROUP2_MAGIC = 0x63677270;

/**
 * NUL-terminated bytes of a string.
 *
 * @throws {RangeError} If the string holds a NUL itself: the kernel would see less than the caller checked.
 */
export function cString(text: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const body = typeof text === "string" ? encoder.encode(text) : text;
  if (body.includes(0)) {
    throw new RangeError(`Expected a string without NUL: ${JSON.stringify(describe(text))}`);
  }
  const bytes = new Uint8Array(body.length + 1);
  bytes.set(body);
  return bytes;
}

/** Error number of the libc or libbpf call just made, which must have been a synchronous one. */
export function errno(): number {
  if (errnoCell === undefined) {
    const location = libc().__errno_location();
    if (location === null) throw new Error("__errno_location() returned NULL");
    // Each thread has its own, and an isolate stays on its thread: one view serves for good.
    errnoCell = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
  }
  return errnoCell[0] ?? 0;
}

/** The error that the call just made ended with. */
export function lastError(syscall: string, subject?: string): SystemError {
  return new SystemError(errno(), syscall, subject);
}

/** libc's functions, opened at the first use. */
export function libc(): Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] {
  if (opened === undefined) {
    opened = Deno.dlopen("libc.so.6", SYMBOLS).symbols;
    // The first call resolves the symbol and might set errno itself.
    errno();
  }
  return opened;
}

const SYMBOLS = {
  __errno_location: { parameters: [], result: "pointer" },
  adjtimex: { parameters: ["buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
  inotify_add_watch: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  inotify_init1: { parameters: ["i32"], result: "i32" },
  mount: { parameters: ["buffer", "buffer", "buffer", "u64", "buffer"], result: "i32" },
  munmap: { parameters: ["pointer", "usize"], result: "i32" },
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  pollLater: { name: "poll", parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  statfs: { parameters: ["buffer", "buffer"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  sysconf: { parameters: ["i32"], result: "i64" },
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  vsnprintf: { parameters: ["buffer", "usize", "pointer", "pointer"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
} as const;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC = 0x7ff;
const STATX_MNT_ID = 0x1000;
const EINTR = 4;
const F_DUPFD_CLOEXEC = 1030;
const F_ADD_SEALS = 1033;
/** SEAL, SHRINK, GROW, WRITE. */
const ALL_SEALS = 0xf;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_NOEXEC_SEAL = 8;
const MNT_DETACH = 2;
const RLIMIT_MEMLOCK = 8;
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

const EMPTY = new Uint8Array(1);
const encoder = new TextEncoder();
const statxBytes = new Uint8Array(new ArrayBuffer(256));
const statxView = new DataView(statxBytes.buffer);
let errnoCell: Int32Array<ArrayBuffer> | undefined;
let opened: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] | undefined;

function describe(path: string | Uint8Array): string {
  return typeof path === "string" ? path : new TextDecoder().decode(path);
}
