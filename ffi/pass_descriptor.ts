/**
 * Passes an open descriptor through a Unix socket, as one process gives it to another.
 *
 * @module
 */
import { addressOf, systemCall } from "./syscall.ts";

/** The descriptor that came out, or the negative error number; `step` says which call it is of. */
export interface PassAnswer {
  readonly step: "socketpair" | "sendmsg" | "recvmsg";
  readonly result: number;
}

/** Sends a descriptor through a socket of this process's own and takes out what the kernel makes of it. */
export function passDescriptor(fd: number): PassAnswer {
  const pair = new Int32Array(new ArrayBuffer(8));
  const made = systemCall("socketpair", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, new Uint8Array(pair.buffer));
  if (made < 0) return { step: "socketpair", result: made };
  const [from = -1, to = -1] = pair;
  try {
    const sent = message(fd);
    const result = systemCall("sendmsg", from, sent.header, 0);
    if (result < 0) return { step: "sendmsg", result };
    const taken = message(-1);
    const received = systemCall("recvmsg", to, taken.header, MSG_CMSG_CLOEXEC);
    return { step: "recvmsg", result: received < 0 ? received : taken.control.getInt32(CMSG_HEADER, true) };
  } finally {
    systemCall("close", from);
    systemCall("close", to);
  }
}

/** `struct msghdr` with one byte of data and one descriptor; the parts that it points to must stay reachable. */
function message(fd: number): { header: Uint8Array; control: DataView<ArrayBuffer>; parts: unknown[] } {
  const data = new Uint8Array(new ArrayBuffer(1));
  const control = new DataView(new ArrayBuffer(CMSG_SPACE));
  control.setBigUint64(0, BigInt(CMSG_HEADER + 4), true);
  control.setInt32(8, SOL_SOCKET, true);
  control.setInt32(12, SCM_RIGHTS, true);
  control.setInt32(CMSG_HEADER, fd, true);
  const vector = new Uint8Array(BigUint64Array.from([addressOf(data), 1n]).buffer);
  const header = new Uint8Array(
    BigUint64Array.from([
      0n,
      0n,
      addressOf(vector),
      1n,
      addressOf(new Uint8Array(control.buffer)),
      BigInt(CMSG_SPACE),
      0n,
    ]).buffer,
  );
  return { header, control, parts: [data, vector] };
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** `CMSG_LEN(0)` and `CMSG_SPACE(sizeof(int))`. */
const CMSG_HEADER = 16;
const CMSG_SPACE = 24;
