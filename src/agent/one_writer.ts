/**
 * One writer at a time: what changes the agent waits for its turn, and only so many may wait.
 *
 * @module
 */
import { Refusal } from "./refusal.ts";

/** Runs tasks one after the other, in the order in which they came. */
export class OneWriter {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /**
   * Runs `task` once those before it are done.
   *
   * @throws {Refusal} 1 where too many wait already; besides what `task` throws.
   */
  async run<T>(task: () => T | Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) {
      throw new Refusal(1, `${MAX_WAITING} changes are waiting for their turn already: try again`);
    }
    this.#waiting++;
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }
}

const MAX_WAITING = 16;
