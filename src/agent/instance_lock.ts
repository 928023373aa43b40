/**
 * One agent a host: a lock that the kernel lets go when its holder dies.
 *
 * @module
 */
import type { FileDescriptor } from "../../ffi/libc.ts";
import { tryLock } from "../../ffi/file_lock.ts";
import type { Locations } from "./locations.ts";
import { Refusal } from "./refusal.ts";

/** The lock of the running agent. */
export class InstanceLock implements Disposable {
  readonly #file: FileDescriptor;

  private constructor(file: FileDescriptor) {
    this.#file = file;
  }

  /**
   * Takes it, and makes its folder where that is missing.
   *
   * @throws {Refusal} 3, with the pid of the agent that runs.
   */
  static take({ run, lock }: Pick<Locations, "run" | "lock">): InstanceLock {
    Deno.mkdirSync(run, { recursive: true, mode: 0o700 });
    const file = tryLock(lock);
    if (file === undefined) {
      const pid = Deno.readTextFileSync(lock).trim();
      throw new Refusal(3, `an agent is already running${pid === "" ? "" : `, pid ${pid}`}`);
    }
    Deno.writeTextFileSync(lock, `${Deno.pid}\n`);
    return new InstanceLock(file);
  }

  /** Lets it go. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
