/**
 * What Deno cannot do with Unix sockets: datagrams to abstract addresses, and asking who is at the other end.
 *
 * @module
 */
import { cString, FileDescriptor, lastError, libc } from "./libc.ts";

/** Who opened the other end of a socket, as the kernel noted at `connect(2)`. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A datagram socket that sends to one address, for example that of `NOTIFY_SOCKET` or of journald. */
export class DatagramSocket implements Disposable {
  readonly #socket: FileDescriptor;
  readonly #address: Uint8Array<ArrayBuffer>;
  readonly #name: string;

  /**
   * Opens a socket; nothing is sent yet.
   *
   * @param address A path, or `@name` for an abstract address.
   * @throws {RangeError} If the address is too long or holds a NUL.
   * @throws {SystemError} As `socket(2)`.
   */
  constructor(address: string) {
    this.#address = socketAddress(address);
    this.#name = address;
    const fd = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) throw lastError("socket", address);
    this.#socket = new FileDescriptor(fd);
  }

  /**
   * Sends one datagram and never blocks.
   *
   * @throws {SystemError} `EAGAIN` if the receiver's queue is full, `ECONNREFUSED` or `ENOENT` if nobody receives,
   * `EMSGSIZE`.
   */
  send(message: string | Uint8Array): void {
    const bytes = (typeof message === "string" ? new TextEncoder().encode(message) : message) as Uint8Array<
      ArrayBuffer
    >;
    const { fd } = this.#socket;
    const length = BigInt(bytes.length);
    const sent = libc().sendto(fd, bytes, length, MSG_NOSIGNAL, this.#address, this.#address.length);
    if (sent < 0) throw lastError("sendto", this.#name);
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/**
 * Who is at the other end of the connected Unix socket `fd`.
 *
 * @throws {SystemError} `ENOTSOCK`, `EBADF`.
 */
export function peerCredentials(fd: number): PeerCredentials {
  const bytes = new Uint8Array(new ArrayBuffer(12));
  getOption(fd, SO_PEERCRED, bytes, "getsockopt(SO_PEERCRED)");
  const view = new DataView(bytes.buffer);
  return { pid: view.getInt32(0, true), uid: view.getUint32(4, true), gid: view.getUint32(8, true) };
}

/**
 * Who is connected to this process at the socket that it listens on under `path`, by descriptor. Deno does not tell the
 * descriptor of a connection: a server calls this whenever it accepts one, and turns away what it accepted since its
 * last look if there is someone whom it does not serve.
 *
 * @param path As it was given to `Deno.listen` or `server.listen`.
 * @param known Users who are passed over, which costs one system call each.
 */
export function connectedPeers(path: string, known: readonly number[] = []): Map<number, PeerCredentials> {
  const peers = new Map<number, PeerCredentials>();
  const credentials = new Uint32Array(new ArrayBuffer(12));
  const bytes = new Uint8Array(credentials.buffer);
  const length = new Uint8Array(Uint32Array.of(bytes.length).buffer);
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const fd = Number(name);
    // It fails for what is no socket, or was closed since; one without a peer of its own kernel has pid 0.
    if (libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytes, length) !== 0) continue;
    const [pid = 0, uid = 0, gid = 0] = credentials;
    if (pid === 0 || known.includes(uid) || isListener(fd) || localAddress(fd) !== path) continue;
    peers.set(fd, { pid, uid, gid });
  }
  return peers;
}

/** A socket that listens has whoever made it for a peer. */
function isListener(fd: number): boolean {
  const option = new Uint8Array(new ArrayBuffer(4));
  getOption(fd, SO_ACCEPTCONN, option, "getsockopt(SO_ACCEPTCONN)");
  return option[0] !== 0;
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_ACCEPTCONN = 30;
const MSG_NOSIGNAL = 0x4000;
/** Bytes of `sun_path`. */
const MAX_PATH = 108;

function socketAddress(address: string): Uint8Array<ArrayBuffer> {
  const abstract = address.startsWith("@");
  const text = cString(address);
  // An abstract address has a NUL for the @ and ends with its length, a path with a NUL.
  const path = abstract ? text.subarray(0, -1) : text;
  if (path.length > MAX_PATH) {
    throw new RangeError(
      `Expected a socket address of less than ${MAX_PATH} bytes: ${JSON.stringify(address)}`,
    );
  }
  const bytes = new Uint8Array(2 + path.length);
  bytes.set([AF_UNIX, 0]);
  bytes.set(path, 2);
  if (abstract) bytes[2] = 0;
  return bytes;
}

function getOption(fd: number, option: number, value: Uint8Array<ArrayBuffer>, call: string): void {
  const length = new Uint8Array(new Uint32Array([value.length]).buffer);
  if (libc().getsockopt(fd, SOL_SOCKET, option, value, length) !== 0) throw lastError(call, `fd ${fd}`);
}

/** Path that a socket is bound to; `undefined` if it is none, or not a Unix socket's. */
function localAddress(fd: number): string | undefined {
  const address = new Uint8Array(new ArrayBuffer(2 + MAX_PATH + 1));
  const length = new Uint32Array([address.length]);
  if (libc().getsockname(fd, address, new Uint8Array(length.buffer)) !== 0) return undefined;
  if (address[0] !== AF_UNIX || address[2] === 0) return undefined;
  const path = address.subarray(2, Number(length[0]));
  const end = path.indexOf(0);
  return new TextDecoder().decode(end < 0 ? path : path.subarray(0, end));
}
