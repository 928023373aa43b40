/**
 * Finds and opens libbpf: the copy that the executable carries, or the system's.
 *
 * @module
 */
import { libc, sealedMemoryFile } from "./libc.ts";
import { LIBBPF_SYMBOLS, type LibbpfFunctions } from "./libbpf_symbols.ts";

/** Where a libbpf comes from: the bytes of a shared library, or a path. */
export type LibbpfSource = { readonly bytes: Uint8Array } | { readonly path: string };

/** libbpf could not be opened; the message says what to install. */
export class LibbpfError extends Error {
  override readonly name = "LibbpfError";
}

/**
 * An opened libbpf. It writes nothing to standard error; what it would have said there is kept for the error that
 * follows.
 */
export class Libbpf implements Disposable {
  /** The functions themselves. */
  readonly call: LibbpfFunctions;
  /** Major and minor version, for example `"1.1"`. */
  readonly version: string;
  readonly #library: Deno.DynamicLibrary<typeof LIBBPF_SYMBOLS>;
  readonly #printer: Deno.UnsafeCallback<typeof PRINTER>;
  readonly #previousPrinter: Deno.PointerValue;
  #warnings: string[] = [];

  /** @throws {LibbpfError} If the library lacks a function. */
  constructor(path: string) {
    libc();
    try {
      this.#library = Deno.dlopen(path, LIBBPF_SYMBOLS);
    } catch (cause) {
      throw new LibbpfError(`${path} does not open as libbpf 1.0 or newer. ${INSTALL}`, { cause });
    }
    this.call = this.#library.symbols;
    this.version = `${this.call.libbpf_major_version()}.${this.call.libbpf_minor_version()}`;
    // On x86-64 and arm64 alike a va_list argument arrives as a pointer, so that it can be passed on to vsnprintf.
    this.#printer = new Deno.UnsafeCallback(
      PRINTER,
      (level, format, list) => this.#print(level, format, list),
    );
    this.#previousPrinter = this.call.libbpf_set_print(this.#printer.pointer);
  }

  /** What libbpf warned of since the last call of this method, oldest first, without its `libbpf: ` prefix. */
  takeWarnings(): string[] {
    const warnings = this.#warnings;
    this.#warnings = [];
    return warnings;
  }

  /** Closes the library. Objects that were opened through it must have been closed. */
  [Symbol.dispose](): void {
    // Opened twice from the same file, a library is the same one.
    this.call.libbpf_set_print(this.#previousPrinter);
    this.#printer.close();
    this.#library.close();
  }

  /** Called from within libbpf: must not throw. */
  #print(level: number, format: Deno.PointerValue, list: Deno.PointerValue): number {
    if (level !== LEVEL_WARN) return 0;
    const length = libc().vsnprintf(printBytes, BigInt(printBytes.length), format, list);
    const text = new TextDecoder().decode(
      printBytes.subarray(0, Math.min(Math.max(length, 0), printBytes.length - 1)),
    );
    this.#warnings.push(text.replace(/^libbpf: /, "").trimEnd());
    if (this.#warnings.length > MAX_WARNINGS) this.#warnings.shift();
    return length;
  }
}

/**
 * Opens a libbpf of version 1.0 or newer. Without `source` it is the system's `libbpf.so.1`.
 *
 * @throws {LibbpfError} If it cannot be opened or lacks a function.
 */
export function openLibbpf(source?: LibbpfSource): Libbpf {
  if (source === undefined) return new Libbpf(SYSTEM_LIBRARY);
  if ("path" in source) return new Libbpf(source.path);
  // No file at a predictable place is involved that someone else might put there first.
  using file = sealedMemoryFile("libbpf.so.1", source.bytes);
  return new Libbpf(`/proc/self/fd/${file.fd}`);
}

/**
 * The process-wide libbpf, opened at the first call.
 *
 * @throws {LibbpfError} See {@linkcode openLibbpf}.
 */
export function libbpf(): Libbpf {
  return shared ??= openLibbpf(sharedSource);
}

/**
 * Says where {@linkcode libbpf} takes the library from.
 *
 * @throws {LibbpfError} If it is open already: its maps and objects would end up in another copy.
 */
export function useLibbpf(source: LibbpfSource): void {
  if (shared !== undefined) throw new LibbpfError("Expected useLibbpf() before the first use of libbpf");
  sharedSource = source;
}

const SYSTEM_LIBRARY = "libbpf.so.1";
const INSTALL =
  "Install it: `apt-get install libbpf1` (Debian 12, Ubuntu 24.04) or `dnf install libbpf` (RHEL 9, Fedora).";
const PRINTER = { parameters: ["i32", "pointer", "pointer"], result: "i32" } as const;
const LEVEL_WARN = 0;
const MAX_WARNINGS = 50;

const printBytes = new Uint8Array(new ArrayBuffer(4096));
let shared: Libbpf | undefined;
let sharedSource: LibbpfSource | undefined;
