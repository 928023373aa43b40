/**
 * Tells when a name in a directory comes, goes or changes its meaning: inotify(7).
 *
 * @module
 */
import { cString, errno, FileDescriptor, lastError, libc } from "./libc.ts";

/** Watches directories. */
export class DirectoryWatch implements Disposable {
  readonly #file: FileDescriptor;
  readonly #events = new Uint8Array(new ArrayBuffer(64 << 10));
  #isWhole = true;

  /** @throws {SystemError} `EMFILE` where this user may have no more of them. */
  constructor() {
    const fd = libc().inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) throw lastError("inotify_init1");
    this.#file = new FileDescriptor(fd);
  }

  /** To be polled for reading. */
  get fd(): number {
    return this.#file.fd;
  }

  /** Whether every directory is watched that was to be: a user may watch only so many. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Watches a directory, of which a handle is enough. One that is watched already stays so. */
  add(directory: FileDescriptor): void {
    const watch = libc().inotify_add_watch(this.fd, cString(`/proc/self/fd/${directory.fd}`), NAMES);
    if (watch < 0) this.#isWhole = false;
  }

  /** Whether names have changed since the last call. */
  changed(): boolean {
    let changed = false;
    for (;;) {
      const length = libc().read(this.fd, this.#events, BigInt(this.#events.length));
      if (length > 0n) changed = true;
      else if (length === 0n || errno() !== EINTR) return changed;
    }
  }

  /** Watches nothing any more. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

const IN_CLOEXEC = 0o2000000;
const IN_NONBLOCK = 0o4000;
/** `IN_MOVED_FROM`, `IN_MOVED_TO`, `IN_CREATE`, `IN_DELETE`, `IN_ONLYDIR`. */
const NAMES = 0x40 | 0x80 | 0x100 | 0x200 | 0x0100_0000;
const EINTR = 4;
