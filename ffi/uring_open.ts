/**
 * Opens a file through io_uring, by raw system calls: the kernel does it without the system call that others watch.
 *
 * @module
 */
import { cString, libc } from "./libc.ts";
import { addressOf, systemCall } from "./syscall.ts";

/** The descriptor, or the negative error number; `step` says which call it is of. */
export interface UringAnswer {
  readonly step: "io_uring_setup" | "io_uring_mmap" | "io_uring_enter" | "open";
  readonly result: number;
}

/** Submits one `IORING_OP_OPENAT` and waits for its completion. */
export function uringOpen(path: string, flags: number): UringAnswer {
  const params = new Uint8Array(PARAMS_SIZE);
  const view = new DataView(params.buffer);
  const ring = systemCall("io_uring_setup", 2, params);
  if (ring < 0) return { step: "io_uring_setup", result: ring };
  const field = (at: number) => view.getUint32(at, true);
  const maps: [pointer: Deno.PointerObject, length: number][] = [];
  const map = (length: number, offset: number): DataView<ArrayBuffer> | undefined => {
    const pointer = libc().mmap(null, BigInt(length), READ_WRITE, SHARED, ring, BigInt(offset));
    if (pointer === null || Deno.UnsafePointer.value(pointer) === MAP_FAILED) return undefined;
    maps.push([pointer, length]);
    return new DataView(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
  };
  try {
    const submissions = map(field(SQ_ARRAY) + 4 * field(SQ_ENTRIES), 0);
    const completions = map(field(CQ_CQES) + CQE_SIZE * field(CQ_ENTRIES), OFF_CQ_RING);
    const entries = map(SQE_SIZE * field(SQ_ENTRIES), OFF_SQES);
    if (!submissions || !completions || !entries) return { step: "io_uring_mmap", result: -ENOMEM };
    const name = cString(path);
    entries.setUint8(0, OP_OPENAT);
    entries.setInt32(4, AT_FDCWD, true);
    entries.setBigUint64(16, addressOf(name), true);
    entries.setUint32(28, flags, true);
    submissions.setUint32(field(SQ_ARRAY), 0, true);
    submissions.setUint32(field(SQ_TAIL), 1, true);
    const entered = systemCall("io_uring_enter", ring, 1, 1, GET_EVENTS, 0, 0);
    if (entered < 0) return { step: "io_uring_enter", result: entered };
    return { step: "open", result: completions.getInt32(field(CQ_CQES) + 8, true) };
  } finally {
    // No view of them is used from here on.
    for (const [pointer, length] of maps) libc().munmap(pointer, BigInt(length));
    systemCall("close", ring);
  }
}

// struct io_uring_params, io_uring_sqe and io_uring_cqe of include/uapi/linux/io_uring.h.
const PARAMS_SIZE = 120;
const SQ_ENTRIES = 0;
const CQ_ENTRIES = 4;
const SQ_TAIL = 44;
const SQ_ARRAY = 64;
const CQ_CQES = 100;
const SQE_SIZE = 64;
const CQE_SIZE = 16;
const OFF_CQ_RING = 0x8000000;
const OFF_SQES = 0x10000000;
const OP_OPENAT = 18;
const GET_EVENTS = 1;
const AT_FDCWD = -100;
const READ_WRITE = 3;
const SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
const ENOMEM = 12;
