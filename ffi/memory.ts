/**
 * Memory that is mapped from a file descriptor and outlives every view of it.
 *
 * @module
 */
import { lastError, libc } from "./libc.ts";

/** Which part of a file to map, and how. */
export interface MapMemoryOptions {
  /** Bytes. */
  readonly length: number;
  /** Bytes from the start of the file, in whole pages; 0 by default. */
  readonly offset?: number;
  /** False by default; writing to memory that is not writable kills the process. */
  readonly writable?: boolean;
}

/**
 * Shared memory of a file. It is unmapped when neither it nor any view of its buffer can be reached any more: a view
 * that outlives the mapping would read freed addresses, and nothing can tell how many views there are.
 */
export class MappedMemory implements Disposable {
  #buffer: ArrayBuffer | undefined;

  /**
   * Maps a part of the file behind `fd`, which may be closed afterwards.
   *
   * @throws {SystemError} As `mmap(2)`.
   */
  constructor(fd: number, options: MapMemoryOptions) {
    const { length, offset = 0, writable = false } = options;
    const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    const pointer = libc().mmap(null, BigInt(length), protection, MAP_SHARED, fd, BigInt(offset));
    if (pointer === null || Deno.UnsafePointer.value(pointer) === MAP_FAILED) {
      throw lastError("mmap", `fd ${fd}`);
    }
    this.#buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, length);
    unmapLater.register(this.#buffer, { pointer, length });
  }

  /** @throws {TypeError} Once it is disposed of. */
  get buffer(): ArrayBuffer {
    if (this.#buffer === undefined) throw new TypeError("Expected mapped memory that is still open");
    return this.#buffer;
  }

  /** All of it, in a new view. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer);
  }

  /** Lets go of the memory; views that exist stay valid. */
  [Symbol.dispose](): void {
    this.#buffer = undefined;
  }
}

/** Bytes of a page of memory: 4096 on x86-64; arm64 kernels have 4096, 16384 or 65536. */
export function pageSize(): number {
  return page ??= Number(libc().sysconf(SC_PAGESIZE));
}

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
const SC_PAGESIZE = 30;

let page: number | undefined;

const unmapLater = new FinalizationRegistry<{ pointer: Deno.PointerObject; length: number }>(
  ({ pointer, length }) => {
    libc().munmap(pointer, BigInt(length));
  },
);
