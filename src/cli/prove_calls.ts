/**
 * The steps that ways round a rule are made of, each as one system call whose error is kept apart by its step.
 *
 * @module
 */
import { errnoName } from "../../ffi/libc.ts";
import { runProgram, type SystemCall, systemCall, type SystemCallArgument } from "../../ffi/syscall.ts";
import type { Operation } from "../policy/operations.ts";
import { PROGRAM_EXIT } from "./prove_programs.ts";

/** A step that the kernel refused. */
export class StepError extends Error {
  override readonly name = "StepError";

  /** @param code The error's name, or what else went wrong. */
  constructor(readonly step: string, readonly code: string) {
    super(`${step}: ${code}`);
  }
}

/**
 * Makes a system call that must succeed.
 *
 * @throws {StepError} if it does not.
 */
export function must(step: string, name: SystemCall, ...args: readonly SystemCallArgument[]): number {
  return checked(step, systemCall(name, ...args));
}

/** The result of a call, if it is one. */
export function checked(step: string, result: number): number {
  if (result < 0) throw new StepError(step, errnoName(-result));
  return result;
}

/** Opens, hands the descriptor over and closes it. */
export function withOpen<T>(step: string, path: string, flags: number, use: (fd: number) => T): T {
  const fd = must(step, "openat", AT_FDCWD, path, flags | O.CLOEXEC, 0);
  try {
    return use(fd);
  } finally {
    systemCall("close", fd);
  }
}

/** Reads, writes or executes a file by one of its names. */
export function access(path: string, op: Operation, secret: string): void {
  if (op === "exec") execute(path);
  else if (op === "write") withOpen("open", path, O.WRONLY, () => {});
  else withOpen("open", path, O.RDONLY, (fd) => readSecret(fd, secret));
}

/** {@linkcode access} by several names: every one is tried, and one that goes through is enough. Returns their number. */
export function accessAny(paths: readonly string[], op: Operation, secret: string): number {
  const failures = paths.flatMap((path) => {
    try {
      access(path, op, secret);
      return [];
    } catch (error) {
      return [error];
    }
  });
  if (failures.length === paths.length) throw failures[0];
  return paths.length;
}

/** Reads to the end and looks for the secret. */
export function readSecret(fd: number, secret: string): void {
  const bytes = readAll(fd);
  if (!new TextDecoder("latin1").decode(bytes).includes(secret)) throw new StepError("read", "another file");
}

/** All that a descriptor has. */
export function readAll(fd: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = new Uint8Array(1 << 16);
    const count = must("read", "read", fd, chunk, chunk.length);
    if (count === 0) return new Uint8Array(chunks.flatMap((part) => [...part]));
    chunks.push(chunk.slice(0, count));
  }
}

/** Runs a decoy. */
export function execute(path: string): void {
  run("exec", path, [path]);
}

/** Has a program of {@linkcode openingProgram} open a file. */
export function openBy(program: string, path: string, op: Operation): void {
  run("open", program, op === "write" ? [program, path, "write"] : [program, path]);
}

/** Runs a program that must end as those of prove_programs.ts do. */
function run(step: string, path: string, args: readonly string[]): void {
  const ended = runProgram(path, args);
  if (typeof ended === "number") throw new StepError("exec", errnoName(ended));
  if ("signal" in ended) throw new StepError(step, SIGNALS[ended.signal] ?? `signal ${ended.signal}`);
  if (ended.exit !== PROGRAM_EXIT) throw new StepError(step, errnoName(ended.exit));
}

/** Does something in a mount namespace of its own, which ends with it. */
export function inOwnMounts<T>(use: () => T): T {
  return withOpen("open /proc/thread-self/ns/mnt", "/proc/thread-self/ns/mnt", O.RDONLY, (own) => {
    must("unshare", "unshare", CLONE_NEWNS);
    try {
      must("mount", "mount", "none", "/", "none", MS.REC | MS.PRIVATE, 0);
      return use();
    } finally {
      // Also the way back out of another root directory.
      must("setns", "setns", own, CLONE_NEWNS);
    }
  });
}

/** Does something with a descriptor that is only a handle on the place. */
export function withHandle<T>(path: string, use: (name: string, fd: number) => T): T {
  return withOpen("open with O_PATH", path, O.PATH, (fd) => use(`/proc/self/fd/${fd}`, fd));
}

/** Flags of open. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  TRUNC: 0o1000,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;
/** Flags of mount. */
export const MS = { BIND: 4096, REC: 16384, PRIVATE: 1 << 18 } as const;
/** For `*at` calls: from the working directory. */
export const AT_FDCWD = -100;

const CLONE_NEWNS = 0x20000;
const SIGNALS: Readonly<Record<number, string>> = { 9: "SIGKILL", 15: "SIGTERM" };
