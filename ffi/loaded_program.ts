/**
 * A loaded program that is held on its own, apart from the object it came from.
 *
 * @module
 */
import { Handle, openPin } from "./handle.ts";
import { duplicate } from "./libc.ts";
import { testRun } from "./program.ts";

/** A program held by a file descriptor of its own; it stays loaded while this, a pin or a link holds it. */
export class LoadedProgram extends Handle {
  private constructor(fd: number) {
    super(fd, "prog");
  }

  /**
   * Opens a pinned program.
   *
   * @throws {SystemError} `ENOENT` if nothing is pinned there.
   */
  static fromPin(path: string): LoadedProgram {
    return new LoadedProgram(openPin(path));
  }

  /**
   * Holds the program behind `fd`, which is duplicated.
   *
   * @throws {SystemError} `EBADF` if it is not open.
   */
  static hold(fd: number): LoadedProgram {
    return new LoadedProgram(duplicate(fd));
  }

  /**
   * Runs it once by hand; see {@linkcode testRun}.
   *
   * @param context What the program's argument points to.
   * @returns What the program returned.
   * @throws {SystemError} `EOPNOTSUPP` or `EINVAL` if its type cannot be run so.
   */
  run(context: Uint8Array): number {
    return testRun(this.fd, { context }).result;
  }
}
