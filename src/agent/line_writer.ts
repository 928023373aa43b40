/**
 * Writes lines without ever waiting for the reader: a full pipe or disk costs lines, counted, never time.
 *
 * @module
 */

/** What lines are written to. */
export interface LineTarget {
  write(bytes: Uint8Array): Promise<number>;
}

/** A bounded queue of lines before a target. */
export class LineWriter {
  readonly #target: LineTarget;
  readonly #limit: number;
  readonly #encoder = new TextEncoder();
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #busy: Promise<void> | undefined;
  #dropped = 0;
  #failure: string | undefined;

  /**
   * @param target Standard output, a file, …
   * @param limit Bytes that may wait; 8 MiB by default.
   */
  constructor(target: LineTarget, limit = 8 << 20) {
    this.#target = target;
    this.#limit = limit;
  }

  /** Lines that were not written: the queue was full, or the target refused them. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Why the target refused, if the last write failed. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Queues a line, without its newline; returns whether there was room. */
  write(line: string): boolean {
    const bytes = this.#encoder.encode(line + "\n");
    if (this.#pendingBytes + bytes.length > this.#limit) {
      this.#dropped++;
      return false;
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#busy ??= this.#run();
    return true;
  }

  /** Waits until all is written, but not longer than `timeoutMs`. */
  async flush(timeoutMs: number): Promise<void> {
    let timer: number | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, timeoutMs));
    await Promise.race([this.#busy, late]);
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      const lines = this.#pending;
      const batch = joined(lines, this.#pendingBytes);
      this.#pending = [];
      this.#pendingBytes = 0;
      try {
        for (let written = 0; written < batch.length;) {
          written += await this.#target.write(batch.subarray(written));
        }
        this.#failure = undefined;
      } catch (error) {
        this.#dropped += lines.length;
        this.#failure = error instanceof Error ? error.message : String(error);
      }
    }
    this.#busy = undefined;
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
