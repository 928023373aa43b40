/**
 * Reads a BPF ring buffer from mapped memory.
 *
 * @module
 */
const unfinished = (): never => {
  throw new Error("not filled in");
};

/** Consumer of a `BPF_MAP_TYPE_RINGBUF`. */
export class RingBuffer implements Disposable {
  /** Duplicates `fd`, that of a ring buffer map. @throws {RangeError} If it is no ring buffer. */
  constructor(_fd: number) {}
  /** Bytes of the data area. */
  get size(): number {
    return unfinished();
  }
  /**
   * Calls `callback` for each record that is ready, at most `max` (all by default).
   * A record's view is only valid during the call.
   *
   * @returns How many records were taken.
   */
  drain(_callback: (record: DataView<ArrayBuffer>) => void, _max?: number): number {
    return unfinished();
  }
  /** Bytes between the consumer and the producer, headers included. */
  pending(): number {
    return unfinished();
  }
  /** Resolves to true when records may be ready, to false at the end of `timeoutMs` or after `wake()`. */
  wait(_timeoutMs: number): Promise<boolean> {
    return unfinished();
  }
  /** Ends a `wait` under way, or the next one. */
  wake(): void {}
  [Symbol.dispose](): void {}
}
