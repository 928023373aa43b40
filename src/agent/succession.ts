/**
 * Takes over from what an agent of another schema left pinned: it decides until this agent's policy is in force, then is
 * halted with one store, and all that it counted and had yet to report goes on here. An emergency stop does too.
 *
 * A denial counts once, in whichever of the two refuses first. What is only reported may be counted by both if it falls
 * between two stores, a few microseconds apart.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { BpfLoadError } from "../../ffi/load_error.ts";
import { RingBuffer } from "../../ffi/ring_buffer.ts";
import { decodeRecord, RecordError } from "../events/decode.ts";
import type { Reporter, ReporterContext } from "../events/reporter.ts";
import { stoppedForNs } from "../kernel/emergency.ts";
import { AEGIS } from "../kernel/layout.ts";
import { Predecessor, READABLE, UnreadableError } from "../kernel/predecessor.ts";
import type { KernelState, Maps } from "../kernel/state.ts";
import { SetLabels } from "./set_labels.ts";

/** What reports for the one that takes over. */
export interface Heir {
  reporterOf(maps: Maps, other?: Partial<ReporterContext>): Pick<Reporter, "record" | "flush" | "endEpoch">;
}

/** One that is left, or why it cannot be read. */
type Left = Predecessor | { readonly folder: string; readonly reason: string };

/** All that is left by others on one host. */
export class Succession implements Disposable {
  readonly #state: KernelState;
  readonly #log: (line: string) => void;
  #left: readonly Left[];

  /**
   * Takes over what must be there before a policy is applied: the numbers of rules, and an emergency stop.
   *
   * @param folders Of pins, which go on deciding.
   */
  constructor(folders: readonly string[], state: KernelState, log: (line: string) => void) {
    this.#state = state;
    this.#log = log;
    this.#left = folders.map((folder) => open(folder, state));
    for (const { control } of this.#readable) {
      if (stoppedForNs(control) === 0n || stoppedForNs(state.control) > 0n) continue;
      state.control.emergencyUntilNs = control.emergencyUntilNs;
      state.control.changeLive({ set: AEGIS.LIVE_EMERGENCY });
    }
  }

  /** Lets them decide no more: another set is in force. */
  halt(): void {
    for (const predecessor of this.#readable) predecessor.halt();
  }

  /** Lets them decide again: this agent does not. */
  goOn(): void {
    for (const predecessor of this.#readable) predecessor.goOn();
  }

  /** Goes on with what they counted, says what became of it, and lets them go. */
  async finish(heir: Heir): Promise<void> {
    for (const left of this.#left) {
      const reason = left instanceof Predecessor ? await this.#takeOver(left, heir) : left.reason;
      const counts = reason === undefined ? ", with their counts" : `; their counts are gone: ${reason}`;
      this.#log(`took over from the programs pinned in ${left.folder}${counts}`);
    }
    this[Symbol.dispose]();
  }

  /** Closes the handles. */
  [Symbol.dispose](): void {
    for (const predecessor of this.#readable) predecessor[Symbol.dispose]();
    this.#left = [];
  }

  get #readable(): Predecessor[] {
    return this.#left.filter((left) => left instanceof Predecessor);
  }

  /** Why that is not possible; undefined where it is done. */
  async #takeOver(predecessor: Predecessor, heir: Heir): Promise<string | undefined> {
    try {
      predecessor.settle();
      await this.#report(predecessor, heir);
      predecessor.bequeath(this.#state);
      return undefined;
    } catch (error) {
      if (error instanceof SystemError || error instanceof BpfLoadError) return error.message;
      throw error;
    }
  }

  /** Reports what was not reported yet, and takes the flows out. */
  async #report(predecessor: Predecessor, heir: Heir): Promise<void> {
    const { maps, control } = predecessor;
    const labels = new SetLabels({
      setInfo: (index) => control.setInfo(index),
      liveIndex: () => predecessor.liveIndex(),
    });
    const reporter = heir.reporterOf(maps, { policyOf: (generation) => labels.of(generation) });
    using ring = new RingBuffer(maps.records.fd);
    ring.drain((view) => {
      try {
        const record = decodeRecord(view, READABLE);
        if (record.type === "decision") reporter.record(record);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        this.#log(`skipped a record: ${error.message}`);
      }
    });
    reporter.flush();
    const { epoch } = control;
    for (const ended of [epoch - 1 >>> 0, epoch]) {
      while (!reporter.endEpoch(ended)) await new Promise((resolve) => setTimeout(resolve, WRITING_MS));
    }
  }
}

/** Between two lots of events, for the outlets to keep up. */
const WRITING_MS = 20;

function open(folder: string, state: KernelState): Left {
  try {
    using opened = new DisposableStack();
    const predecessor = opened.use(new Predecessor(folder));
    predecessor.bequeathNumbers(state);
    predecessor.prepare();
    opened.move();
    return predecessor;
  } catch (error) {
    if (error instanceof UnreadableError || error instanceof SystemError) {
      return { folder, reason: error.message };
    }
    throw error;
  }
}
