/**
 * Decides when flows are taken out of the kernel, so that there is room for new ones and little to look through.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import type { RingBuffer } from "../../ffi/ring_buffer.ts";
import type { Reporter, Swept } from "../events/reporter.ts";
import { flowMap } from "../kernel/counters.ts";
import { beginEpoch, waitForPrograms } from "../kernel/flow_epochs.ts";
import type { KernelState } from "../kernel/state.ts";

/** What epochs of flows are of. */
export interface FlowEpochsParts {
  readonly state: KernelState;
  readonly ring: RingBuffer;
  readonly reporter: Reporter;
  readonly log: (line: string) => void;
  /** How many flows make it worth while. Default: 8192. */
  readonly maxFlows?: number;
}

/** The epochs of one agent. */
export class FlowEpochs {
  readonly #parts: FlowEpochsParts;
  readonly #maxFlows: number;
  /** Once the ring has been read so far, all records of the last epoch have been taken. */
  #mark: number | undefined;

  /** Goes on where an agent died while it took flows out. */
  constructor(parts: FlowEpochsParts) {
    this.#parts = parts;
    this.#maxFlows = parts.maxFlows ?? MAX_FLOWS;
    const { state, ring } = parts;
    if (flowMap(state.maps, state.control.epoch - 1).keys().next().done) return;
    waitForPrograms(state);
    this.#mark = ring.mark();
  }

  /** To be called after records were taken: ends the last epoch when there is none of it left. */
  drained(): void {
    const { state, ring, reporter, log } = this.#parts;
    if (this.#mark === undefined || !ring.passed(this.#mark)) return;
    try {
      if (!reporter.endEpoch(state.control.epoch - 1 >>> 0)) return;
    } catch (error) {
      // Short of memory: what was not taken out stays counted where it is, and goes with the next but one.
      if (!(error instanceof SystemError)) throw error;
      log(`flows stay in the kernel for now: ${error.message}`);
    }
    this.#mark = undefined;
  }

  /**
   * To be called after each look at the flows: begins an epoch when there are many.
   *
   * @returns Whether the look was complete.
   */
  swept({ flows, all }: Swept): boolean {
    if (flows !== undefined && flows > this.#maxFlows && this.#mark === undefined) {
      beginEpoch(this.#parts.state);
      this.#mark = this.#parts.ring.mark();
    }
    return all;
  }
}

/** An eighth of what a map of flows holds. */
const MAX_FLOWS = 8192;
