/**
 * Tells when something is mounted or unmounted.
 *
 * @module
 */
import { errno, FileDescriptor, lastError, libc, openAt } from "./libc.ts";

/** Watches the mounts of this mount namespace; proc(5), /proc/pid/mountinfo: POLLPRI on every change. */
export class MountWatch implements Disposable {
  readonly #file: FileDescriptor;
  readonly #polled = new Int32Array(new ArrayBuffer(8));

  /** @throws {SystemError} As `openat(2)`. */
  constructor() {
    this.#file = openAt("/proc/self/mountinfo");
  }

  /**
   * Waits on another thread.
   *
   * @param timeoutMs Whole milliseconds.
   * @returns Whether the mounts have changed since the last call.
   * @throws {SystemError} As `poll(2)`.
   */
  async changed(timeoutMs: number): Promise<boolean> {
    this.#polled[0] = this.#file.fd;
    this.#polled[1] = POLLPRI;
    const ready = await libc().pollLater(new Uint8Array(this.#polled.buffer), 1n, timeoutMs);
    if (ready < 0 && errno() !== EINTR) throw lastError("poll", "/proc/self/mountinfo");
    return ready > 0;
  }

  /** Closes the file; a wait that is under way goes on until its time-out. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

const POLLPRI = 2;
const EINTR = 4;
