/**
 * Which policy stood in which set, for events of decisions that were made under an earlier one.
 *
 * @module
 */
import type { EventPolicy } from "../events/event.ts";
import type { Control } from "../kernel/control.ts";

/** Policies by the generation of their sets. */
export class SetLabels {
  readonly #control: Pick<Control, "setInfo" | "liveIndex">;
  readonly #policies = new Map<bigint, EventPolicy>();

  constructor(control: Pick<Control, "setInfo" | "liveIndex">) {
    this.#control = control;
    this.remember();
  }

  /** The policy in force, as the kernel says it. */
  get current(): EventPolicy {
    const { name, serial, sha256 } = this.#control.setInfo(this.#control.liveIndex());
    return { name, serial: Number(serial), sha256 };
  }

  /** The policy of a generation; the one in force where it is not known. */
  of(generation: bigint): EventPolicy {
    return this.#policies.get(generation) ?? this.current;
  }

  /** Keeps what both slots hold; to be called whenever another set came into force. */
  remember(): void {
    for (const index of [0, 1] as const) {
      const { generation, name, serial, sha256 } = this.#control.setInfo(index);
      if (generation > 0n) this.#policies.set(generation, { name, serial: Number(serial), sha256 });
    }
  }
}
