/**
 * Tells when something is mounted or unmounted, and when names in directories change.
 *
 * @module
 */
import type { DirectoryWatch } from "./directory_watch.ts";
import { errno, FileDescriptor, lastError, libc, openAt } from "./libc.ts";

/**
 * Watches the mounts of this mount namespace (proc(5), /proc/pid/mountinfo: POLLPRI on every change) and, beside them,
 * directories.
 */
export class MountWatch implements Disposable {
  readonly #file: FileDescriptor;
  readonly #event: FileDescriptor;
  readonly #directories: DirectoryWatch | undefined;
  /** `struct pollfd`s; the kernel writes to them from another thread while a wait is under way. */
  readonly #polled = new Int32Array(new ArrayBuffer(24));

  /**
   * @param directories Stays the caller's. By default no directories.
   * @throws {SystemError} As `openat(2)` and `eventfd(2)`.
   */
  constructor(directories?: DirectoryWatch) {
    this.#directories = directories;
    this.#file = openAt("/proc/self/mountinfo");
    const event = libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0) {
      this.#file[Symbol.dispose]();
      throw lastError("eventfd");
    }
    this.#event = new FileDescriptor(event);
  }

  /**
   * Waits on another thread.
   *
   * @param timeoutMs Whole milliseconds; negative waits without end.
   * @returns Whether something has changed since the last call; false after `timeoutMs` or {@linkcode wake}.
   * @throws {SystemError} As `poll(2)`.
   */
  async changed(timeoutMs: number): Promise<boolean> {
    const polled = this.#polled;
    polled.set([this.#event.fd, POLLIN, this.#file.fd, POLLPRI, this.#directories?.fd ?? -1, POLLIN]);
    const ready = await libc().pollLater(new Uint8Array(polled.buffer), 3n, timeoutMs);
    if (ready < 0 && errno() !== EINTR) throw lastError("poll", "/proc/self/mountinfo");
    const mounts = ready > 0 && returned(polled[3]) !== 0;
    return this.#directories?.changed() === true || mounts;
  }

  /** Ends the wait that is under way, and every later one at once. */
  wake(): void {
    libc().write(this.#event.fd, ONE, 8n);
  }

  /** Closes the files; no wait may be under way. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
    this.#event[Symbol.dispose]();
  }
}

const POLLIN = 1;
const POLLPRI = 2;
const EINTR = 4;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** The `revents` half of the second word of a `struct pollfd`. */
function returned(word: number | undefined): number {
  return (word ?? 0) >>> 16;
}
