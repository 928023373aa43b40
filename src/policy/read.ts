/**
 * Gets a policy's bytes from a file, once, and only if nobody but its owner could have put them there.
 *
 * Everything after this works on the bytes: what was checked, hashed, shown and applied is the same, whatever happens
 * to the file meanwhile.
 *
 * The rules: the last component is not a symbolic link; a regular file; owned by root, or by the user who runs this;
 * writable by its owner only; and every directory above it belongs to root or that user and is writable by its owner
 * only, or has the sticky bit (as /tmp has), so that nobody else can put another file in its place.
 *
 * @module
 */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  type Stats,
} from "node:fs";
import { Buffer } from "node:buffer";
import { dirname, resolve } from "node:path";
import { geteuid } from "node:process";
import { LIMITS } from "./limits.ts";

/** A policy file as it was when it was read. */
export interface PolicyFile {
  /** The path as the caller gave it. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Why a policy file was not read. */
export type PolicyFileErrorCode =
  | "missing"
  | "unreadable"
  | "symlink"
  | "not-regular"
  | "wrong-owner"
  | "writable"
  | "directory-unsafe"
  | "replaced"
  | "too-large";

/** A policy file that cannot be read or must not be trusted. The message is one line and says what to do. */
export class PolicyFileError extends Error {
  override readonly name = "PolicyFileError";

  constructor(
    readonly code: PolicyFileErrorCode,
    readonly path: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${path}: ${message}`, options);
  }
}

/** Options of `readPolicyFile`. */
export interface ReadOptions {
  /** Largest accepted size in bytes. Default: `LIMITS.fileBytes`. */
  readonly maxBytes?: number;
}

/**
 * Reads a policy file. Never blocks, whatever the path names.
 *
 * @throws {PolicyFileError} If the file cannot be read or must not be trusted.
 */
export function readPolicyFile(path: string, options: ReadOptions = {}): PolicyFile {
  const maxBytes = options.maxBytes ?? LIMITS.fileBytes;
  using file = openFile(path);
  const stats = fstatSync(file.fd);
  checkKind(path, stats);
  checkOwner(path, stats);
  checkDirectories(path);
  if (stats.size > maxBytes) throw tooLarge(path, maxBytes);
  return { path, bytes: readAll(file.fd, path, maxBytes) };
}

interface OpenFile extends Disposable {
  readonly fd: number;
}

function openFile(path: string): OpenFile {
  try {
    // O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    const fd = openSync(
      path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
    return { fd, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    throw openError(path, error);
  }
}

function openError(path: string, error: unknown): PolicyFileError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const options = { cause: error };
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return new PolicyFileError("missing", path, "there is no such file", options);
    case "ELOOP":
      return symlinkError(path, options);
    case "EACCES":
    case "EPERM":
      return new PolicyFileError("unreadable", path, "permission denied; run this as root", options);
    case "ENXIO":
      return new PolicyFileError("not-regular", path, "is a socket, not a regular file", options);
    default: {
      const reason = error instanceof Error ? error.message : String(error);
      return new PolicyFileError("unreadable", path, `cannot be opened: ${reason}`, options);
    }
  }
}

function symlinkError(path: string, options?: ErrorOptions): PolicyFileError {
  return new PolicyFileError(
    "symlink",
    path,
    "is a symbolic link; give the path of the file itself",
    options,
  );
}

function checkKind(path: string, opened: Stats): void {
  if (!opened.isFile()) {
    throw new PolicyFileError("not-regular", path, `is a ${kindOf(opened)}, not a regular file`);
  }
  // O_NOFOLLOW has another value on other architectures, and the runtime's table of constants has been wrong before.
  const named = statNamed(path);
  if (named.isSymbolicLink()) throw symlinkError(path);
  if (named.ino !== opened.ino || named.dev !== opened.dev) {
    throw new PolicyFileError("replaced", path, "was replaced while it was read; try again");
  }
}

function statNamed(path: string): Stats {
  try {
    return lstatSync(path);
  } catch (error) {
    throw openError(path, error);
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "directory";
  if (stats.isFIFO()) return "FIFO";
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return "device";
  return "special file";
}

function checkOwner(path: string, stats: Stats): void {
  if (!isTrusted(stats.uid)) {
    const trusted = geteuid?.() === 0 ? "root" : "root or you";
    const message = `belongs to uid ${stats.uid}, not to ${trusted}; chown root ${shellWord(path)}`;
    throw new PolicyFileError("wrong-owner", path, message);
  }
  if ((stats.mode & 0o022) !== 0) {
    const message = `is writable by ${writers(stats.mode)}; chmod go-w ${shellWord(path)}`;
    throw new PolicyFileError("writable", path, message);
  }
}

/** Checks every directory above the file, symbolic links among them resolved. */
function checkDirectories(path: string): void {
  let directory = realpathSync(dirname(resolve(path)));
  while (true) {
    const stats = lstatSync(directory);
    const reason = directoryProblem(stats);
    if (reason !== undefined) {
      const message =
        `lies in ${directory}, which ${reason}; keep it where only root can write, as in /etc/aegisbpf`;
      throw new PolicyFileError("directory-unsafe", path, message);
    }
    const parent = dirname(directory);
    if (parent === directory) return;
    directory = parent;
  }
}

function directoryProblem(stats: Stats): string | undefined {
  if (!isTrusted(stats.uid)) return `belongs to uid ${stats.uid}`;
  const sticky = (stats.mode & 0o1000) !== 0;
  if ((stats.mode & 0o022) !== 0 && !sticky) return `is writable by ${writers(stats.mode)}`;
  return undefined;
}

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === geteuid?.();
}

function writers(mode: number): string {
  return (mode & 0o002) !== 0 ? "everyone" : "its group";
}

function readAll(fd: number, path: string, maxBytes: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  while (true) {
    const chunk = new Uint8Array(64 * 1024);
    const length = readChunk(fd, chunk, path);
    if (length === 0) return Buffer.concat(chunks, total);
    total += length;
    // The file may have grown since it was looked at.
    if (total > maxBytes) throw tooLarge(path, maxBytes);
    chunks.push(chunk.subarray(0, length));
  }
}

function readChunk(fd: number, chunk: Uint8Array, path: string): number {
  try {
    return readSync(fd, chunk, 0, chunk.length, null);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PolicyFileError("unreadable", path, `cannot be read: ${reason}`, { cause: error });
  }
}

function tooLarge(path: string, maxBytes: number): PolicyFileError {
  return new PolicyFileError("too-large", path, `is larger than ${maxBytes} bytes`);
}

function shellWord(path: string): string {
  return /^[A-Za-z0-9_./:@%+=-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
