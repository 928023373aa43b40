/**
 * Any system call, by its name, with nothing between the caller and the kernel: for looking at what the kernel answers.
 *
 * @module
 */
import { cString, errno, lastError, libc } from "./libc.ts";

/** The system calls whose numbers are known here. */
export type SystemCall = keyof typeof NUMBERS;

/** A number, a buffer whose address is passed, or text that is passed as a C string. */
export type SystemCallArgument = number | bigint | Uint8Array | string;

/**
 * Makes a system call on this thread.
 *
 * @param args At most six.
 * @returns What it returned, or the negative error number.
 * @throws {RangeError} If a text holds a NUL.
 */
export function systemCall(name: SystemCall, ...args: readonly SystemCallArgument[]): number {
  // They must stay reachable until the call has returned.
  const buffers = args.map((arg) => typeof arg === "string" ? cString(arg) : arg);
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = buffers.map(word);
  const result = functions().syscall(BigInt(NUMBERS[name][ARCH]), a, b, c, d, e, f);
  return result === -1n ? -errno() : Number(result);
}

/** How a program that was started has ended. */
export type Ended = { readonly exit: number } | { readonly signal: number };

/**
 * Runs a program to its end, in this thread's root, working directory and namespaces.
 *
 * @returns How it ended, or the error number with which the kernel refused to execute it.
 * @throws {SystemError} If its end cannot be waited for.
 */
export function runProgram(path: string, args: readonly string[]): Ended | number {
  const pid = new Uint8Array(4);
  const words = args.map((arg) => cString(arg));
  const argv = pointers(words);
  const error = functions().posix_spawn(pid, cString(path), null, null, argv, pointers([]));
  if (error !== 0) return error;
  const status = new Uint8Array(4);
  const child = new DataView(pid.buffer).getInt32(0, true);
  while (systemCall("wait4", child, status, 0, 0) < 0) {
    if (errno() !== EINTR) throw lastError("wait4", path);
  }
  const word = new DataView(status.buffer).getInt32(0, true);
  return (word & 0x7f) === 0 ? { exit: word >> 8 & 0xff } : { signal: word & 0x7f };
}

/** Address of a buffer, for structures that hold addresses; the buffer must stay reachable as long. */
export function addressOf(bytes: Uint8Array): bigint {
  // Small arrays may lie where the garbage collector moves them; asking for their buffer takes them out of there.
  const { buffer, byteOffset, byteLength } = bytes as Uint8Array<ArrayBuffer>;
  const pointer = Deno.UnsafePointer.of(new DataView(buffer, byteOffset, byteLength));
  return BigInt(Deno.UnsafePointer.value(pointer));
}

/** By name: x86-64, arm64. From arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. */
const NUMBERS = {
  chdir: [80, 49],
  chroot: [161, 51],
  close: [3, 57],
  fchmodat: [268, 53],
  fchownat: [260, 54],
  io_uring_enter: [426, 426],
  io_uring_setup: [425, 425],
  linkat: [265, 37],
  madvise: [28, 233],
  memfd_create: [319, 279],
  mkdirat: [258, 34],
  mknodat: [259, 33],
  mmap: [9, 222],
  mount: [165, 40],
  mprotect: [10, 226],
  munmap: [11, 215],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  open_tree: [428, 428],
  openat: [257, 56],
  openat2: [437, 437],
  read: [0, 63],
  recvmsg: [47, 212],
  renameat2: [316, 276],
  sendmsg: [46, 211],
  setns: [308, 268],
  setresuid: [117, 147],
  setxattr: [188, 5],
  socketpair: [53, 199],
  symlinkat: [266, 36],
  truncate: [76, 45],
  unlinkat: [263, 35],
  unshare: [272, 97],
  utimensat: [280, 88],
  wait4: [61, 260],
  write: [1, 64],
} as const;

const ARCH = Deno.build.arch === "aarch64" ? 1 : 0;
const EINTR = 4;

const SYMBOLS = {
  // Variadic only in its declaration: it moves its arguments on as they are.
  syscall: { parameters: ["i64", "u64", "u64", "u64", "u64", "u64", "u64"], result: "i64" },
  posix_spawn: {
    parameters: ["buffer", "buffer", "pointer", "pointer", "buffer", "buffer"],
    result: "i32",
  },
} as const;

let opened: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] | undefined;

function functions(): NonNullable<typeof opened> {
  // libc() looks up errno's address before, so that nothing comes between a call and its error number.
  libc();
  return opened ??= Deno.dlopen("libc.so.6", SYMBOLS).symbols;
}

function word(arg: number | bigint | Uint8Array): bigint {
  return typeof arg === "object" ? addressOf(arg) : BigInt.asUintN(64, BigInt(arg));
}

function pointers(strings: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(BigUint64Array.from([...strings.map(addressOf), 0n]).buffer);
}
