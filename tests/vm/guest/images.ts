/** File systems besides those that a guest has anyway: images beside the case runner, mounted when a case first needs one. */

import { basename, dirname } from "node:path";
import type { Act } from "./act.ts";
import { Failure, type FileSystem, type Guest, Skip } from "./case.ts";

const mounted = new Map<FileSystem, string>();

/**
 * The directory under which cases' directories on a file system are made.
 *
 * @throws {Skip} where the kernel does not have the file system
 */
export function rootOf(fs: FileSystem, guest: Guest, act: Act): string {
  if (fs === "ext4" || fs === "tmpfs") return guest[fs];
  let root = mounted.get(fs);
  if (root === undefined) {
    needFileSystem(fs);
    root = `${guest.ext4}/${fs}`;
    const image = `${dirname(guest.nothing)}/${fs}.img`;
    Deno.mkdirSync(root, { recursive: true });
    const result = act.one("loop-mount", fs, image, root);
    if (result !== "ok") throw new Failure(`${image} cannot be mounted: ${result}`);
    mounted.set(fs, root);
  }
  // A machine that has another directory on ext4 has another one here, too.
  return `${root}/${basename(guest.ext4)}`;
}

/** @throws {Skip} where the kernel does not have the file system */
export function needFileSystem(fs: string): void {
  const known = Deno.readTextFileSync("/proc/filesystems").split("\n").map((line) => line.split("\t")[1]);
  if (!known.includes(fs)) throw new Skip(`the kernel has no ${fs}: no such module in its package`);
}
