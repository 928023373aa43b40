/**
 * Finds and opens libbpf: the copy that the executable carries, or the system's.
 *
 * @module
 */
const unfinished = (): never => {
  throw new Error("not filled in");
};

/** Where a libbpf comes from. */
export type LibbpfSource = { readonly bytes: Uint8Array } | { readonly path: string };

/** libbpf could not be opened; the message says what to install. */
export class LibbpfError extends Error {}

/** An opened libbpf. */
export class Libbpf implements Disposable {
  /** Version as libbpf states it, for example `"v1.1"`. */
  get version(): string {
    return unfinished();
  }
  [Symbol.dispose](): void {}
}

/**
 * Opens a libbpf of version 1.0 or newer. Without `source` it is the system's `libbpf.so.1`.
 *
 * @throws {LibbpfError} If it cannot be opened or lacks a function.
 */
export function openLibbpf(_source?: LibbpfSource): Libbpf {
  return unfinished();
}

/** The process-wide libbpf, opened at the first call. */
export function libbpf(): Libbpf {
  return unfinished();
}

/** Says where {@linkcode libbpf} takes the library from; to be called before its first use. */
export function useLibbpf(_source: LibbpfSource): void {}
