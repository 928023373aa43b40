/**
 * Numbers of the system calls that return a descriptor of a file they opened, for the tracepoint backend.
 *
 * @module
 */

/**
 * open, openat, openat2, creat and open_by_handle_at, as far as this architecture has them.
 * From arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
 */
export function openSyscalls(arch: typeof Deno.build.arch = Deno.build.arch): readonly number[] {
  return arch === "aarch64" ? [56, 437, 265] : [2, 257, 437, 85, 304];
}
