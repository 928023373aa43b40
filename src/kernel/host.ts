/**
 * What this host is: its kernel, its LSM list, and where the file systems are that the agent needs.
 *
 * @module
 */
import { BPF_FS_MAGIC, fileSystemType, mount } from "../../ffi/libc.ts";

/** A line of `/proc/self/mountinfo`, as far as it is used. */
export interface Mount {
  readonly id: number;
  readonly parentId: number;
  /** The superblock's device, `MAJOR:MINOR`. */
  readonly device: string;
  /** The directory of the file system that is mounted. */
  readonly root: string;
  readonly mountPoint: string;
  readonly type: string;
  /** Options of the superblock. */
  readonly options: string;
}

/** All mounts in this mount namespace, in the kernel's order: a later one may hide an earlier one. */
export function readMounts(text: string = Deno.readTextFileSync("/proc/self/mountinfo")): Mount[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [id = "0", parentId = "0", device = "", root = "", mountPoint = ""] = left.split(" ");
    const [type = "", , options = ""] = right.split(" ");
    return {
      id: Number(id),
      parentId: Number(parentId),
      device,
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      type,
      options,
    };
  });
}

/** Where the cgroup2 hierarchy is mounted; on hybrid hosts below the older ones. Undefined: nowhere. */
export function cgroupRoot(mounts: readonly Mount[] = readMounts()): string | undefined {
  return mounts.findLast((mount) => mount.type === "cgroup2" && mount.root === "/")?.mountPoint;
}

/** Names of the active LSMs, in order; undefined where securityfs is not mounted. */
export function lsmList(): string[] | undefined {
  try {
    return Deno.readTextFileSync("/sys/kernel/security/lsm").trim().split(",");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The running kernel's release, as `uname -r`. */
export function kernelRelease(): string {
  return Deno.osRelease();
}

/** The kernel's version as one number to compare: 5.10 is 5010. */
export function kernelVersion(release: string = kernelRelease()): number {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(major ?? 0) * 1000 + Number(minor ?? 0);
}

/** Whether maps count against the limit on locked memory, as they do until 5.10. */
export function chargesLockedMemory(release: string = kernelRelease()): boolean {
  return kernelVersion(release) <= 5010;
}

/** bpffs cannot be had where the pins should go. */
export class BpffsError extends Error {
  override readonly name = "BpffsError";
}

/**
 * Makes sure that `folder` lies on a bpffs, and mounts one at `/sys/fs/bpf` if that is all that is missing.
 *
 * @throws {BpffsError} with what to do.
 */
export function ensureBpffs(folder: string): void {
  const base = nearestExisting(folder);
  if (fileSystemType(base) === BPF_FS_MAGIC) return;
  if (base !== "/sys/fs/bpf") {
    throw new BpffsError(
      `Expected a bpffs at ${base}: mount one there (mount -t bpf bpf ${base})${otherBpffs(readMounts())}`,
    );
  }
  try {
    mount("bpf", base, "bpf", 0, "mode=0700");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BpffsError(`Cannot mount a bpffs at ${base}: ${reason}${otherBpffs(readMounts())}`);
  }
}

/** Advice to use a bpffs that is mounted somewhere else, as the end of a sentence; empty where there is none. */
export function otherBpffs(mounts: readonly Mount[]): string {
  const other = mounts.findLast(({ type, root }) => type === "bpf" && root === "/");
  return other === undefined
    ? ""
    : `, or use the one at ${other.mountPoint} (AEGISBPF_BPFFS=${other.mountPoint})`;
}

/** The path itself, or the nearest folder above it that exists. */
export function nearestExisting(path: string): string {
  for (let folder = path;; folder = folder.slice(0, Math.max(folder.lastIndexOf("/"), 1))) {
    try {
      Deno.lstatSync(folder);
      return folder;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || folder === "/") throw error;
    }
  }
}

/** The kernel escapes blanks and backslashes, and leaves the bytes of all other characters. */
function unescapeOctal(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
