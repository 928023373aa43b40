/**
 * The kernel's word on identities without a kernel side: one program, run by hand, with maps of its own. Nothing is
 * attached or pinned, and what an agent has in the kernel is not touched.
 *
 * @module
 */
import { LoadedProgram } from "../../ffi/loaded_program.ts";
import { Control } from "./control.ts";
import { Identities } from "./identities.ts";
import { openObject, TELLER } from "./state.ts";

/** Tells identities until it is disposed of. */
export class Teller implements Disposable {
  readonly identities: Identities;
  readonly #held: DisposableStack;

  /**
   * Loads the program.
   *
   * @throws {BpfLoadError | SystemError} if the kernel refuses; root is needed.
   */
  constructor() {
    using opened = new DisposableStack();
    using object = openObject([TELLER]);
    object.load();
    const program = opened.use(LoadedProgram.hold(object.program(TELLER).fd));
    using state = object.map(".bss.state").open();
    const memory = opened.use(state.mmap());
    this.identities = new Identities(program, new Control(memory));
    this.#held = opened.move();
  }

  [Symbol.dispose](): void {
    this.#held.dispose();
  }
}
