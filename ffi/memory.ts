/**
 * Memory that is mapped from a file descriptor and outlives every view of it.
 *
 * @module
 */

/** Mapped memory; it is unmapped once neither it nor any view of its buffer can be reached. */
export class MappedMemory implements Disposable {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array<ArrayBuffer>;
  constructor(buffer: ArrayBuffer) {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
  }
  [Symbol.dispose](): void {}
}
