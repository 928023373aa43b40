/**
 * What the kernel knows about loaded BPF programs.
 *
 * @module
 */
const unfinished = (): never => {
  throw new Error("not filled in");
};

/** What the kernel says about a program. */
export interface ProgramInfo {
  readonly id: number;
  readonly type: number;
  readonly name: string;
  /** Hash of the instructions, 16 hexadecimal digits. */
  readonly tag: string;
  /** Instructions that the verifier looked at; 0 before kernel 5.16. */
  readonly verifiedInstructions: number;
  /** Nanoseconds, counted while the kernel keeps BPF statistics. */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  readonly recursionMisses: bigint;
  readonly mapIds: readonly number[];
}

/** Asks about a program that is held by `{ fd }` or exists by `{ id }`. */
export function programInfo(_program: { readonly fd: number } | { readonly id: number }): ProgramInfo {
  return unfinished();
}
