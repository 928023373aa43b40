/**
 * Writes lines without ever waiting for the reader: a full pipe or disk costs lines, counted by reason, never time.
 *
 * @module
 */

/** What lines are written to. */
export interface LineTarget {
  write(bytes: Uint8Array): Promise<number>;
}

/**
 * Why a line was not written. `behind`: what takes the lines is slower than they come; `no-space`: the disk or a quota
 * is full; `read-only`; `not-permitted`; `no-receiver`: nobody listens; `failed`: anything else.
 */
export type DropReason = "behind" | "no-space" | "read-only" | "not-permitted" | "no-receiver" | "failed";

/** Lines that were not written, by reason. */
export class Drops {
  readonly #counts = new Map<DropReason, number>();

  /** All of them. */
  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  add(reason: DropReason, count = 1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + count);
  }

  /** Counts by reason; a reason that never was is not in it. */
  entries(): readonly (readonly [reason: DropReason, count: number])[] {
    return [...this.#counts];
  }
}

/** The reason that an error of the system stands for. */
export function dropReason(error: unknown): DropReason {
  const code = error instanceof Error ? (error as { readonly code?: unknown }).code : undefined;
  return REASONS[String(code)] ?? "failed";
}

const REASONS: Readonly<Record<string, DropReason>> = {
  EAGAIN: "behind",
  ENOBUFS: "behind",
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EROFS: "read-only",
  EACCES: "not-permitted",
  EPERM: "not-permitted",
  EPIPE: "no-receiver",
  ENOENT: "no-receiver",
  ECONNREFUSED: "no-receiver",
  ENOTCONN: "no-receiver",
};

/** A bounded queue of lines before a target. */
export class LineWriter {
  readonly drops = new Drops();
  readonly #target: LineTarget;
  readonly #limit: number;
  readonly #encoder = new TextEncoder();
  #pending: string[] = [];
  #pendingLength = 0;
  #underWay = 0;
  #busy: Promise<void> | undefined;
  #failure: string | undefined;
  #behind = false;

  /**
   * @param target Standard output, a file, …
   * @param limit Characters that may wait; 8 Mi by default.
   */
  constructor(target: LineTarget, limit = 8 << 20) {
    this.#target = target;
    this.#limit = limit;
  }

  /** Lines that were not written: the queue was full, or the target refused them. */
  get dropped(): number {
    return this.drops.total;
  }

  /** Why lines are lost now: the target refused the last write, or is behind. */
  get failure(): string | undefined {
    return this.#failure ?? (this.#behind ? "what takes the lines is behind" : undefined);
  }

  /** Queues a line, without its newline; returns whether there was room. */
  write(line: string): boolean {
    if (this.#pendingLength + line.length + 1 > this.#limit) {
      this.drops.add("behind");
      this.#behind = true;
      return false;
    }
    this.#pending.push(line);
    this.#pendingLength += line.length + 1;
    this.#busy ??= this.#run();
    return true;
  }

  /**
   * Waits until all is written, but not longer than `timeoutMs`.
   *
   * @returns How many lines are not written then; the last of those under way may be, in part.
   */
  async flush(timeoutMs: number): Promise<number> {
    let timer: number | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, timeoutMs));
    await Promise.race([this.#busy, late]);
    clearTimeout(timer);
    return this.#pending.length + this.#underWay;
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      // What is written together costs one call: let all come that come at once.
      await Promise.resolve();
      const lines = this.#pending;
      const batch = this.#encoder.encode(`${lines.join("\n")}\n`);
      this.#pending = [];
      this.#pendingLength = 0;
      this.#underWay = lines.length;
      try {
        for (let written = 0; written < batch.length;) {
          written += await this.#target.write(batch.subarray(written));
        }
        this.#failure = undefined;
        this.#behind = false;
      } catch (error) {
        this.drops.add(dropReason(error), lines.length);
        this.#failure = error instanceof Error ? error.message : String(error);
      }
      this.#underWay = 0;
    }
    this.#busy = undefined;
  }
}
