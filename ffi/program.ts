/**
 * What the kernel knows about loaded BPF programs, and running them by hand.
 *
 * @module
 */
import { openId, readInfo, textAt } from "./handle.ts";
import { FileDescriptor, SystemError } from "./libc.ts";
import { libbpf } from "./library.ts";

/** What the kernel says about a program. */
export interface ProgramInfo {
  readonly id: number;
  /** `enum bpf_prog_type`. */
  readonly type: number;
  /** At most 15 characters. */
  readonly name: string;
  /** Hash of the instructions, 16 hexadecimal digits. */
  readonly tag: string;
  /** Instructions that the verifier looked at; 0 before kernel 5.16. */
  readonly verifiedInstructions: number;
  /** Nanoseconds, counted while the kernel keeps BPF statistics. */
  readonly runTimeNs: bigint;
  /** Runs, counted while the kernel keeps BPF statistics. */
  readonly runCount: bigint;
  /** Runs left out because the program was running on that CPU already. */
  readonly recursionMisses: bigint;
  /** Ids of the maps that it uses. */
  readonly mapIds: readonly number[];
}

/**
 * Asks about a program that is held by `{ fd }` or exists by `{ id }`.
 *
 * @throws {SystemError} `ENOENT` if there is no such id, `EBADF` or `EINVAL` if the descriptor is not a program.
 */
export function programInfo(program: { readonly fd: number } | { readonly id: number }): ProgramInfo {
  if ("fd" in program) return infoOf(program.fd);
  using handle = new FileDescriptor(openId("prog", program.id));
  return infoOf(handle.fd);
}

/** What a run by hand came to. */
export interface TestRun {
  /** What the program returned. */
  readonly result: number;
  /** Nanoseconds a run, on average. */
  readonly durationNs: number;
}

/**
 * Runs a program in the kernel without its event (`BPF_PROG_TEST_RUN`; raw tracepoints from kernel 5.10).
 *
 * @param fd Descriptor of the program.
 * @param options `context`: what the program's argument points to; `repeat`: number of runs, where its type allows more
 * than one.
 * @throws {SystemError} `EOPNOTSUPP` or `EINVAL` if its type cannot be run so.
 */
export function testRun(fd: number, options: { context?: Uint8Array; repeat?: number } = {}): TestRun {
  const bytes = new Uint8Array(new ArrayBuffer(TEST_RUN_SIZE));
  const view = new DataView(bytes.buffer);
  // The kernel reads it after this function has stored its address: not a small array, which V8 might move.
  const context = options.context && new Uint8Array(options.context);
  view.setBigUint64(0, BigInt(TEST_RUN_SIZE), true);
  if (context) {
    view.setBigUint64(32, Deno.UnsafePointer.value(Deno.UnsafePointer.of(context)), true);
    view.setUint32(48, context.length, true);
  }
  view.setInt32(60, options.repeat ?? 0, true);
  const status = libbpf().call.bpf_prog_test_run_opts(fd, bytes);
  if (status < 0) throw new SystemError(-status, "bpf_prog_test_run", `fd ${fd}`);
  return { result: view.getUint32(56, true), durationNs: view.getUint32(64, true) };
}

/** `struct bpf_prog_info` up to and with `verified_insns`. */
const INFO_SIZE = 224;
/** `struct bpf_test_run_opts`. */
const TEST_RUN_SIZE = 80;

function infoOf(fd: number): ProgramInfo {
  const bytes = new Uint8Array(new ArrayBuffer(INFO_SIZE));
  const view = readInfo(fd, bytes);
  return {
    type: view.getUint32(0, true),
    id: view.getUint32(4, true),
    tag: bytes.subarray(8, 16).toHex(),
    name: textAt(bytes, 64, 16),
    runTimeNs: view.getBigUint64(192, true),
    runCount: view.getBigUint64(200, true),
    recursionMisses: view.getBigUint64(208, true),
    verifiedInstructions: view.getUint32(216, true),
    mapIds: mapIdsOf(fd, view.getUint32(52, true)),
  };
}

function mapIdsOf(fd: number, count: number): number[] {
  if (count === 0) return [];
  const ids = new Uint32Array(new ArrayBuffer(count * 4));
  const bytes = new Uint8Array(new ArrayBuffer(INFO_SIZE));
  const view = new DataView(bytes.buffer);
  view.setUint32(52, count, true);
  view.setBigUint64(56, Deno.UnsafePointer.value(Deno.UnsafePointer.of(ids)), true);
  readInfo(fd, bytes);
  return [...ids.subarray(0, view.getUint32(52, true))];
}
