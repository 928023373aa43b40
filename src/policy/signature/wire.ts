/**
 * The encoding of SSH's wire formats (RFC 4251, section 5): numbers and strings, one after the other.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Bytes that end too early, or that hold what they must not. The message says which. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** Reads values one after the other. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes that have not been read. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /**
   * The next `length` bytes.
   *
   * @throws {WireError} if there are fewer.
   */
  bytes(length: number): Uint8Array {
    if (length > this.left) throw new WireError("it ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** @throws {WireError} at the end. */
  uint32(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.bytes(4);
    return (a << 24 | b << 16 | c << 8 | d) >>> 0;
  }

  /**
   * A string: its length and as many bytes.
   *
   * @throws {WireError} if it is longer than what is left.
   */
  string(): Uint8Array {
    return this.bytes(this.uint32());
  }

  /**
   * A string of printable ASCII characters: the name of an algorithm, a namespace.
   *
   * @throws {WireError} if it holds anything else.
   */
  name(): string {
    const name = Buffer.from(this.string()).toString("latin1");
    if (!/^[\x20-\x7e]*$/.test(name)) throw new WireError("it holds a name with characters that are none");
    return name;
  }

  /**
   * A positive number (mpint) in its shortest form, as it is on the wire: most significant byte first.
   *
   * @param size Most bytes of the number, without a leading zero.
   * @throws {WireError} if it is zero, negative, too long, or has needless zeros in front.
   */
  positive(size: number): Uint8Array {
    const bytes = this.string();
    const [first = 0, second = 0] = bytes;
    const zeros = first === 0 ? 1 : 0;
    if (bytes.length === 0 || first >= 0x80) throw new WireError("it holds a number that is not positive");
    if (zeros === 1 && second < 0x80) {
      throw new WireError("it holds a number that is not in its shortest form");
    }
    if (bytes.length - zeros > size) throw new WireError("it holds a number that is too large");
    return bytes;
  }

  /** @throws {WireError} unless everything has been read. */
  end(): void {
    if (this.left > 0) throw new WireError(`${this.left} bytes follow its end`);
  }
}

/** A string as it is on the wire. */
export function wireString(value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
  const out = Buffer.alloc(4 + bytes.length);
  out.writeUInt32BE(bytes.length);
  out.set(bytes, 4);
  return out;
}

/** The bytes of a base64 text; undefined where it is not in its one form: no blanks, padded, no stray bits at the end. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
