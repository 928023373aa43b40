/**
 * Numbers of the system calls that open files, for the tracepoint backend.
 *
 * @module
 */

/**
 * execve and execveat; then open, openat, openat2, creat and open_by_handle_at, as far as this architecture has them:
 * the order of `syscalls` in bpf/aegis.bpf.c. From arch/x86/entry/syscalls/syscall_64.tbl and
 * include/uapi/asm-generic/unistd.h.
 */
export function openingSyscalls(arch: typeof Deno.build.arch = Deno.build.arch): readonly number[] {
  return arch === "aarch64" ? [221, 281, 56, 437, 265] : [59, 322, 2, 257, 437, 85, 304];
}
