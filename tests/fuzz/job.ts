/**
 * What the two threads of the runner say to each other.
 *
 * @module
 */

/** What to do. */
export interface FuzzJob {
  readonly target: string;
  readonly seed: number;
  readonly ms: number;
  /** Path of a file that holds the input at work, whatever ends the process. */
  readonly current: string;
  /** Int32: how many inputs were begun; Int32: the last one's length; the last one. */
  readonly shared: SharedArrayBuffer;
}

/** What came of it. */
export interface FuzzReport {
  readonly inputs: number;
  /** Different answers that the target gave. */
  readonly outcomes: number;
  /** Why it failed, and at what. */
  readonly failure?: string;
  readonly input?: Uint8Array;
}

/** Bytes before the input in {@linkcode FuzzJob.shared}. */
export const HEADER = 8;
/** Largest input. */
export const MAX_INPUT = 4 << 20;
/** Size of {@linkcode FuzzJob.shared}. */
export const SHARED_BYTES: number = HEADER + MAX_INPUT;

/** The input that was begun last. */
export function inputIn(shared: SharedArrayBuffer): Uint8Array {
  return new Uint8Array(shared, HEADER, new Int32Array(shared)[1] ?? 0).slice();
}
