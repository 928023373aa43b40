/**
 * An advisory lock on a file, held while a process lives and no longer, however it ends.
 *
 * @module
 */
import { errno, type FileDescriptor, lastError, libc, openAt, OpenFlags } from "./libc.ts";

/**
 * Takes the lock on a file, which is made if it is not there; undefined while another process holds it. The lock goes
 * with the descriptor.
 *
 * @throws {SystemError} As `openat(2)`.
 */
export function tryLock(path: string): FileDescriptor | undefined {
  const file = openAt(path, {
    flags: OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.NoFollow,
    mode: 0o600,
  });
  if (libc().flock(file.fd, LOCK_EX | LOCK_NB) === 0) return file;
  const refused = errno() === EWOULDBLOCK;
  const error = lastError("flock", path);
  file[Symbol.dispose]();
  if (refused) return undefined;
  throw error;
}

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;
