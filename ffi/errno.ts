/**
 * Error numbers of Linux by name, and the error that a failed system call becomes.
 *
 * @module
 */

/** A system call, or a libbpf function that wraps one, that the kernel refused. */
export class SystemError extends Error {
  /** Positive error number, for example 2. */
  readonly errno: number;
  /** Symbolic name of {@linkcode errno}, for example `"ENOENT"`. */
  readonly code: string;
  /** The call that failed, for example `"bpf_obj_get"`. */
  readonly syscall: string;
  /** What the call was about: a path, the name of a map or of a program. */
  readonly subject: string | undefined;

  /**
   * @param errno Positive error number.
   * @param syscall The call that failed.
   * @param subject What the call was about; it becomes part of the message.
   */
  constructor(errno: number, syscall: string, subject?: string) {
    const code = errnoName(errno);
    const about = subject === undefined ? "" : ` ${subject}`;
    super(`${syscall}${about}: ${errnoText(errno)} (${code})`);
    this.name = "SystemError";
    this.errno = errno;
    this.code = code;
    this.syscall = syscall;
    this.subject = subject;
  }
}

/** Symbolic name of a positive error number: `errnoName(1) === "EPERM"`; `"E<number>"` for one without a name. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `E${errno}`;
}

/** Positive error number of a symbolic name, for example `errnoNumber("EPERM") === 1`. */
export function errnoNumber(name: ErrnoName): number {
  return NUMBERS[name];
}

/** What an error number means, in lower case: `errnoText(2) === "no such file or directory"`. */
export function errnoText(errno: number): string {
  return TEXTS.get(errno) ?? `error ${errno}`;
}

/** The error numbers that this code base names. */
export type ErrnoName = keyof typeof NUMBERS;

/** The numbers are the same on x86-64 and arm64 (asm-generic/errno.h). */
const TABLE = [
  [1, "EPERM", "operation not permitted"],
  [2, "ENOENT", "no such file or directory"],
  [3, "ESRCH", "no such process"],
  [4, "EINTR", "interrupted system call"],
  [5, "EIO", "input/output error"],
  [6, "ENXIO", "no such device or address"],
  [7, "E2BIG", "argument list too long, or map full"],
  [8, "ENOEXEC", "exec format error"],
  [9, "EBADF", "bad file descriptor"],
  [10, "ECHILD", "no child processes"],
  [11, "EAGAIN", "resource temporarily unavailable"],
  [12, "ENOMEM", "cannot allocate memory"],
  [13, "EACCES", "permission denied"],
  [14, "EFAULT", "bad address"],
  [15, "ENOTBLK", "block device required"],
  [16, "EBUSY", "device or resource busy"],
  [17, "EEXIST", "file or entry exists"],
  [18, "EXDEV", "invalid cross-device link"],
  [19, "ENODEV", "no such device"],
  [20, "ENOTDIR", "not a directory"],
  [21, "EISDIR", "is a directory"],
  [22, "EINVAL", "invalid argument"],
  [23, "ENFILE", "too many open files in system"],
  [24, "EMFILE", "too many open files"],
  [25, "ENOTTY", "inappropriate ioctl for device"],
  [26, "ETXTBSY", "text file busy"],
  [27, "EFBIG", "file too large"],
  [28, "ENOSPC", "no space left"],
  [29, "ESPIPE", "illegal seek"],
  [30, "EROFS", "read-only file system"],
  [31, "EMLINK", "too many links"],
  [32, "EPIPE", "broken pipe"],
  [33, "EDOM", "argument out of domain"],
  [34, "ERANGE", "result out of range"],
  [35, "EDEADLK", "resource deadlock avoided"],
  [36, "ENAMETOOLONG", "file name too long"],
  [37, "ENOLCK", "no locks available"],
  [38, "ENOSYS", "function not implemented"],
  [39, "ENOTEMPTY", "directory not empty"],
  [40, "ELOOP", "too many levels of symbolic links"],
  [42, "ENOMSG", "no message of desired type"],
  [61, "ENODATA", "no data available"],
  [62, "ETIME", "timer expired"],
  [71, "EPROTO", "protocol error"],
  [74, "EBADMSG", "bad message"],
  [75, "EOVERFLOW", "value too large for defined data type"],
  [77, "EBADFD", "file descriptor in bad state"],
  [84, "EILSEQ", "invalid byte sequence"],
  [87, "EUSERS", "too many users"],
  [88, "ENOTSOCK", "socket operation on non-socket"],
  [89, "EDESTADDRREQ", "destination address required"],
  [90, "EMSGSIZE", "message too long"],
  [91, "EPROTOTYPE", "protocol wrong type for socket"],
  [92, "ENOPROTOOPT", "protocol not available"],
  [93, "EPROTONOSUPPORT", "protocol not supported"],
  [95, "EOPNOTSUPP", "operation not supported"],
  [97, "EAFNOSUPPORT", "address family not supported"],
  [98, "EADDRINUSE", "address already in use"],
  [99, "EADDRNOTAVAIL", "cannot assign requested address"],
  [103, "ECONNABORTED", "connection aborted"],
  [104, "ECONNRESET", "connection reset by peer"],
  [105, "ENOBUFS", "no buffer space available"],
  [106, "EISCONN", "already connected"],
  [107, "ENOTCONN", "not connected"],
  [110, "ETIMEDOUT", "timed out"],
  [111, "ECONNREFUSED", "connection refused"],
  [113, "EHOSTUNREACH", "no route to host"],
  [114, "EALREADY", "operation already in progress"],
  [115, "EINPROGRESS", "operation now in progress"],
  [116, "ESTALE", "stale file handle"],
  [117, "EUCLEAN", "structure needs cleaning"],
  [122, "EDQUOT", "disk quota exceeded"],
  [125, "ECANCELED", "operation canceled"],
  // Not part of the user-space list; the kernel's bpf(2) lets it out all the same.
  [524, "ENOTSUPP", "operation not supported by this kernel"],
  // libbpf's own.
  [4000, "LIBBPF_LIBELF", "libelf failed"],
  [4001, "LIBBPF_FORMAT", "not a BPF object"],
  [4002, "LIBBPF_KVERSION", "wrong kernel version in object"],
  [4003, "LIBBPF_ENDIAN", "object of other byte order"],
  [4004, "LIBBPF_INTERNAL", "internal error of libbpf"],
  [4005, "LIBBPF_RELOC", "relocation failed"],
  [4006, "LIBBPF_LOAD", "load failed"],
  [4007, "LIBBPF_VERIFY", "refused by the verifier"],
  [4008, "LIBBPF_PROG2BIG", "program too big"],
  [4009, "LIBBPF_KVER", "wrong kernel version"],
  [4010, "LIBBPF_PROGTYPE", "kernel lacks the program type"],
] as const;

const NAMES: ReadonlyMap<number, string> = new Map(TABLE.map(([errno, name]) => [errno, name]));
const TEXTS: ReadonlyMap<number, string> = new Map(TABLE.map(([errno, _, text]) => [errno, text]));
const NUMBERS = Object.fromEntries(TABLE.map(([errno, name]) => [name, errno])) as {
  readonly [Entry in (typeof TABLE)[number] as Entry[1]]: Entry[0];
};
