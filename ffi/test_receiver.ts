/**
 * What tests of datagrams share: a socket that receives them. Deno has them, but not for good.
 *
 * @module
 */
const receiving = Deno.dlopen("libc.so.6", {
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
}).symbols;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/** A datagram socket at an address whose first character is NUL if it is abstract. */
export class DatagramReceiver implements Disposable {
  readonly #fd = receiving.socket(AF_UNIX, SOCK_DGRAM, 0);

  constructor(address: string) {
    const bytes = new TextEncoder().encode(`\x01\0${address}`);
    if (receiving.bind(this.#fd, bytes, bytes.length) !== 0) throw new Error(`Cannot bind ${address}`);
  }

  /** The next datagram, up to 64 KiB of it; empty if there is none. */
  receive(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(64 << 10);
    const received = Number(receiving.recv(this.#fd, bytes, BigInt(bytes.length), MSG_DONTWAIT));
    return bytes.subarray(0, Math.max(0, received));
  }

  [Symbol.dispose](): void {
    receiving.close(this.#fd);
  }
}
