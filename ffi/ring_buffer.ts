/**
 * Reads a BPF ring buffer from mapped memory, without a call into libbpf for each record.
 *
 * The layout is the kernel's (kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the producer's,
 * then the data, mapped twice in a row so that no record is ever split. Positions only grow; a record starts with a
 * header of 8 bytes whose first word holds its length, a busy bit and a discard bit.
 *
 * Processors such as arm64's keep three orders only where they are told to. libbpf (src/ringbuf.c) and the kernel tell
 * them with smp_load_acquire(), smp_store_release() and xchg(); here every access that pairs with the kernel's is one of
 * `Atomics`:
 * - the producer's position is read before a header, and a header before its record, which the kernel wrote before it;
 * - a record is read before the consumer's position passes it, or the kernel would write over what is being read;
 * - the consumer's position is written before poll(2) reads the producer's. The kernel reads the former after it has
 *   written the latter, and wakes only whom it finds waiting at the very record that it has finished.
 *
 * On arm64 V8 makes `Atomics.load` LDAR and `Atomics.store` STLR (src/compiler/backend/arm64), which keep all three, the
 * third because LDAR does not pass an earlier STLR. ECMAScript promises as much for shared memory only; V8 makes no
 * difference between shared and mapped.
 *
 * @module
 */
import { readInfo } from "./handle.ts";
import { duplicate, FileDescriptor, lastError, libc } from "./libc.ts";
import { MappedMemory, pageSize } from "./memory.ts";

/** Consumer of a `BPF_MAP_TYPE_RINGBUF`; each ring buffer must have only one. */
export class RingBuffer implements Disposable {
  /** Bytes of the data area. */
  readonly size: number;
  readonly #ring: FileDescriptor;
  readonly #event: FileDescriptor;
  /** 64-bit consumer position. */
  readonly #consumer: BigInt64Array<ArrayBuffer>;
  /** Low half of the producer position: what is pending is less than 4 GiB. */
  readonly #producer: Int32Array<ArrayBuffer>;
  /** The data area, twice, as words for headers. */
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #data: ArrayBuffer;
  readonly #dataStart: number;
  /** Two `struct pollfd`; the kernel writes to it from another thread while a wait is under way. */
  readonly #polled = new Int32Array(new ArrayBuffer(16));
  /** Where the next record starts, and what of that the kernel has been told. */
  #position: number;
  #released: number;
  #draining = false;
  #waiting = false;
  #disposed = false;

  /**
   * Maps the ring buffer behind `fd`, which is duplicated.
   *
   * @throws {RangeError} If it is another kind of map.
   * @throws {SystemError} As `mmap(2)` and `BPF_OBJ_GET_INFO_BY_FD`.
   */
  constructor(fd: number) {
    const info = readInfo(fd, new Uint8Array(new ArrayBuffer(40)));
    if (info.getUint32(0, true) !== RING_BUFFER) {
      throw new RangeError(`Expected a ring buffer, got a map of type ${info.getUint32(0, true)}`);
    }
    const page = pageSize();
    this.size = info.getUint32(16, true);
    // The consumer's page is the only one that user space may write to.
    using consumer = new MappedMemory(fd, { length: page, writable: true });
    using producer = new MappedMemory(fd, { length: page + 2 * this.size, offset: page });
    this.#consumer = new BigInt64Array(consumer.buffer, 0, 1);
    this.#producer = new Int32Array(producer.buffer, 0, 1);
    this.#words = new Int32Array(producer.buffer, page);
    this.#data = producer.buffer;
    this.#dataStart = page;
    this.#position = this.#released = Number(Atomics.load(this.#consumer, 0));
    this.#ring = new FileDescriptor(duplicate(fd));
    const event = libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0) {
      this.#ring[Symbol.dispose]();
      throw lastError("eventfd");
    }
    this.#event = new FileDescriptor(event);
  }

  /**
   * Calls `callback` for each record that is ready, at most `max` (by default all that were there at the call). The
   * view, and all memory behind it, is the record only during the callback. If the callback throws, its record counts
   * as taken and the error comes out of here.
   *
   * @returns How many records were taken.
   * @throws {TypeError} Once the ring buffer is disposed of, or if the callback calls this.
   */
  drain(callback: (record: DataView<ArrayBuffer>) => void, max = Infinity): number {
    if (this.#disposed) throw new TypeError("Expected a ring buffer that is open");
    if (this.#draining) throw new TypeError("Expected no call of drain() from its own callback");
    this.#draining = true;
    const end = this.#position + this.pending();
    let taken = 0;
    try {
      while (this.#position < end && taken < max) {
        const offset = this.#position & (this.size - 1);
        const header = Atomics.load(this.#words, offset >>> 2);
        // A record that is still being written holds back those after it.
        if ((header & BUSY) !== 0) break;
        const length = header & LENGTH;
        this.#position += (length + HEADER + 7) & ~7;
        if ((header & DISCARD) === 0) {
          taken++;
          callback(new DataView(this.#data, this.#dataStart + offset + HEADER, length));
        }
        // Long drains hand space back on the way, so that the producer does not run out of it.
        if (this.#position - this.#released > this.size >>> 2) this.#release();
      }
    } finally {
      this.#draining = false;
      if (this.#position !== this.#released) this.#release();
    }
    return taken;
  }

  /** Bytes that were produced and not yet taken, headers included. */
  pending(): number {
    return (Atomics.load(this.#producer, 0) - (this.#position | 0)) >>> 0;
  }

  /** Where the next record will be; see {@linkcode passed}. */
  mark(): number {
    return Atomics.load(this.#producer, 0);
  }

  /** Whether all records were taken that had been begun when {@linkcode mark} gave `mark`, less than 2 GiB ago. */
  passed(mark: number): boolean {
    return ((this.#position | 0) - mark | 0) >= 0;
  }

  /**
   * Waits for records on another thread; signals are handled meanwhile.
   *
   * @param timeoutMs Whole milliseconds; negative waits without end.
   * @returns True when there may be records, false after `timeoutMs` or {@linkcode wake}.
   * @throws {TypeError} If a wait is under way already or the ring buffer is disposed of.
   */
  async wait(timeoutMs: number): Promise<boolean> {
    if (this.#disposed) throw new TypeError("Expected a ring buffer that is open");
    if (this.#waiting) throw new TypeError("Expected no other wait for this ring buffer to be under way");
    this.#waiting = true;
    try {
      this.#polled[0] = this.#ring.fd;
      this.#polled[1] = POLLIN;
      this.#polled[2] = this.#event.fd;
      this.#polled[3] = POLLIN;
      const bytes = new Uint8Array(this.#polled.buffer);
      const ready = await libc().pollLater(bytes, 2n, timeoutMs);
      // A failure can only be an interruption, and counts as one: the caller looks and waits again.
      if (ready <= 0) return false;
      if (returned(this.#polled[3]) !== 0) libc().read(this.#event.fd, eventValue, 8n);
      return returned(this.#polled[1]) !== 0;
    } finally {
      this.#waiting = false;
      if (this.#disposed) this.#close();
    }
  }

  /** Ends the wait that is under way, or else the next one at once. */
  wake(): void {
    if (this.#disposed) return;
    libc().write(this.#event.fd, ONE, 8n);
  }

  /** Closes it, ending a wait that is under way. The memory stays mapped while a view of it can be reached. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.wake();
    this.#disposed = true;
    // The other thread may not have entered poll(2) yet, and would find other files under these numbers.
    if (!this.#waiting) this.#close();
  }

  #release(): void {
    this.#released = this.#position;
    Atomics.store(this.#consumer, 0, BigInt(this.#position));
  }

  #close(): void {
    this.#ring[Symbol.dispose]();
    this.#event[Symbol.dispose]();
  }
}

const RING_BUFFER = 27;
const HEADER = 8;
const BUSY = 1 << 31;
const DISCARD = 1 << 30;
const LENGTH = DISCARD - 1;
const POLLIN = 1;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);
const eventValue = new Uint8Array(new ArrayBuffer(8));

/** The `revents` half of the second word of a `struct pollfd`. */
function returned(word: number | undefined): number {
  return (word ?? 0) >>> 16;
}
