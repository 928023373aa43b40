/**
 * The ways in which decisions reach the kernel, best first, and the programs that each one attaches.
 *
 * @module
 */
import type { ProgramKind } from "../../ffi/program_types.ts";
import { BACKEND } from "./layout.ts";

/** Backends, best first. */
export const BACKENDS = ["lsm", "fmod_ret", "fentry", "tracepoint"] as const;

/** How decisions reach the kernel; contract section 2. */
export type Backend = typeof BACKENDS[number];

/** Whether a backend can refuse an operation; the others only report it. */
export function canEnforce(backend: Backend): boolean {
  return backend === "lsm" || backend === "fmod_ret";
}

/** The number that the kernel side knows a backend by. */
export function backendNumber(backend: Backend): number {
  return NUMBERS[backend];
}

/** The backend of a number; undefined for none. */
export function backendOfNumber(number: number): Backend | undefined {
  return BACKENDS.find((backend) => NUMBERS[backend] === number);
}

/** Hooks besides opening a file; each is attached only while a rule needs it. */
export const HOOKS = [
  "cgroup_mkdir",
  "d_instantiate",
  "inode_copy_up",
  "inode_rename",
  "inode_link",
  "inode_unlink",
  "inode_rmdir",
  "inode_setattr",
  "inode_setxattr",
  "inode_removexattr",
  "inode_set_acl",
  "inode_remove_acl",
  "mmap_file",
  "file_mprotect",
] as const;

/** One of the hooks. */
export type Hook = typeof HOOKS[number];

/** Hooks that only newer kernels have; older ones come to the same through another one (access control lists until 6.1). */
export const OPTIONAL_HOOKS: readonly Hook[] = ["inode_set_acl", "inode_remove_acl"];

/** Names of the programs that a backend attaches to decide about opens. */
export function programsOf(backend: Backend): readonly string[] {
  return backend === "tracepoint" ? ["tp_sys_exit"] : [`${PREFIXES[backend]}_file_open`];
}

/** The kind of the programs that decide about opens; undefined where the object alone says it. */
export function programKind(backend: Backend): ProgramKind | undefined {
  return KINDS[backend];
}

/** The program of a backend for a hook; undefined where the backend does not see it. */
export function hookProgram(backend: Backend, hook: Hook): string | undefined {
  if (hook === "cgroup_mkdir") return "tp_cgroup_mkdir";
  if (backend === "tracepoint") return undefined;
  // These only learn: there is nothing that fmod_ret could refuse.
  const learns = hook === "d_instantiate" || hook === "inode_copy_up";
  return `${PREFIXES[learns && backend === "fmod_ret" ? "fentry" : backend]}_${hook}`;
}

/** The hook that a program is for; undefined for those that decide about opens. */
export function hookOfProgram(program: string): Hook | undefined {
  return HOOKS.find((hook) => program.endsWith(`_${hook}`));
}

const NUMBERS: Readonly<Record<Backend, number>> = {
  lsm: BACKEND.LSM,
  fmod_ret: BACKEND.FMOD_RET,
  fentry: BACKEND.FENTRY,
  tracepoint: BACKEND.TRACEPOINT,
};

/** By `BPF_PROG_TYPE_LSM` and `BPF_PROG_TYPE_TRACING`, `BPF_LSM_MAC`, `BPF_MODIFY_RETURN` and `BPF_TRACE_FENTRY` of linux/bpf.h. */
const KINDS: Readonly<Partial<Record<Backend, ProgramKind>>> = {
  lsm: { type: 29, attachType: 27 },
  fmod_ret: { type: 26, attachType: 26 },
  fentry: { type: 26, attachType: 24 },
};

const PREFIXES: Readonly<Record<Exclude<Backend, "tracepoint">, string>> = {
  lsm: "lsm",
  fmod_ret: "fmod",
  fentry: "fentry",
};
