/**
 * What the running kernel's BTF says of the functions that programs are attached to.
 *
 * @module
 */
import { kernelFunctionArguments } from "../../ffi/kernel_btf.ts";

/** Whether the kernel has a function, by its BTF. */
export function hasKernelFunction(name: string): boolean {
  return kernelFunctionArguments(name) !== undefined;
}

/**
 * Which hooks have an id mapping before the dentry, as the variables of bpf/hooks.h: security_*() since 5.12, the lsm
 * hook of setattr since 6.3.
 */
export function mappedArguments(): Readonly<Record<string, boolean>> {
  return {
    setattr_mapped_lsm: kernelFunctionArguments("bpf_lsm_inode_setattr") === 3,
    setattr_mapped: kernelFunctionArguments("security_inode_setattr") === 3,
    xattr_mapped: kernelFunctionArguments("security_inode_setxattr") === 6,
  };
}
