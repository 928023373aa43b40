/**
 * Which kinds of programs the kernel takes at all, before one is made.
 *
 * @module
 */
import { cString, FileDescriptor } from "./libc.ts";
import { libbpf } from "./library.ts";

/** What a program is: `enum bpf_prog_type` and `enum bpf_attach_type` of linux/bpf.h. */
export interface ProgramKind {
  readonly type: number;
  readonly attachType: number;
}

/**
 * Whether the kernel refuses every program of a kind to this process (`EPERM`), as it does without the capabilities,
 * and under some sandboxes. It is asked with a program that does nothing and names no function to be attached to, which
 * every kernel refuses: one that would take others says `EINVAL`, as libbpf_probe_bpf_prog_type() has it.
 */
export function refusesAll({ type, attachType }: ProgramKind): boolean {
  const options = new Uint8Array(new ArrayBuffer(LOAD_OPTIONS_SIZE));
  const view = new DataView(options.buffer);
  view.setBigUint64(0, BigInt(LOAD_OPTIONS_SIZE), true);
  view.setUint32(12, attachType, true);
  view.setUint32(32, NO_FUNCTION, true);
  const { call } = libbpf();
  const fd = call.bpf_prog_load(type, null, cString("GPL"), RETURN_0, BigInt(RETURN_0.length / 8), options);
  if (fd >= 0) new FileDescriptor(fd)[Symbol.dispose]();
  return fd === -EPERM;
}

/** `r0 = 0` and `exit`. */
const RETURN_0 = Uint8Array.from([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
/** `struct bpf_prog_load_opts` up to and with `attach_prog_fd`. */
const LOAD_OPTIONS_SIZE = 40;
/** The first type of the kernel's BTF, which is no function. */
const NO_FUNCTION = 1;
const EPERM = 1;
