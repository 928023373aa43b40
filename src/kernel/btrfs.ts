/**
 * Where the running kernel's btrfs keeps the number of an inode's subvolume. btrfs is a module on most hosts, and its
 * types are to be had only while it is loaded: so not before one of its files has been met.
 *
 * @module
 */
import { moduleMemberOffsets } from "../../ffi/kernel_btf.ts";
import type { Control } from "./control.ts";

/** `BTRFS_SUPER_MAGIC` of linux/magic.h. */
export const BTRFS_MAGIC = 0x9123683en;

/**
 * Tells the kernel side, so that identities of btrfs are by subvolume from then on.
 *
 * @returns Whether this kernel tells it.
 */
export function tellSubvolumes(control: Pick<Control, "btrfs">): boolean {
  const [inode = 0, root = 0, key = 0] = moduleMemberOffsets("btrfs", [
    ["btrfs_inode", "vfs_inode"],
    ["btrfs_inode", "root"],
    // struct btrfs_key begins with the number
    ["btrfs_root", "root_key"],
  ]) ?? [];
  if (inode <= root) return false;
  control.btrfs = { rootBefore: inode - root, rootId: key };
  return true;
}

/** Whether any btrfs is mounted on this host: each has a folder here, named by its UUID. */
export function isBtrfsMounted(): boolean {
  try {
    return [...Deno.readDirSync("/sys/fs/btrfs")].some(({ name }) => /^[0-9a-f-]{36}$/.test(name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
