/**
 * Finds the cgroups that policies name. A cgroup's id is the inode number of its directory; it is never used again.
 *
 * @module
 */
import type { CgroupRef } from "./model.ts";

/** Where the cgroup2 hierarchy is mounted. */
export type CgroupFolder = string;

/** A cgroup that exists. */
export interface FoundCgroup {
  readonly id: bigint;
  /** Depth: 0 is the root. */
  readonly level: number;
  /** Path below the root, `/` for the root. */
  readonly path: string;
}

/** The deepest level that a policy may name: `CGROUP_LEVELS` in bpf/decide.h. */
export const MAX_CGROUP_LEVEL = 32;

/** The cgroup that a policy names, if it exists. A bare id may be anywhere, so the hierarchy is searched for it. */
export function findCgroup(root: CgroupFolder, cgroup: CgroupRef): FoundCgroup | undefined {
  return cgroup.kind === "path" ? cgroupAt(root, cgroup.path) : cgroupById(root, cgroup.id);
}

/** The cgroup at a path below the root. */
export function cgroupAt(root: CgroupFolder, path: string): FoundCgroup | undefined {
  try {
    const { ino } = Deno.statSync(`${root}${path}`);
    return { id: BigInt(ino ?? 0), level: path.split("/").filter((name) => name !== "").length, path };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** The cgroup with an id, searched breadth-first. */
export function cgroupById(root: CgroupFolder, id: bigint): FoundCgroup | undefined {
  let level = [cgroupAt(root, "/")];
  for (let depth = 0; depth <= MAX_CGROUP_LEVEL && level.length > 0; depth++) {
    const found = level.find((cgroup) => cgroup?.id === id);
    if (found) return found;
    level = level.flatMap((cgroup) => cgroup ? children(root, cgroup.path) : []);
  }
  return undefined;
}

function children(root: CgroupFolder, path: string): (FoundCgroup | undefined)[] {
  try {
    return [...Deno.readDirSync(`${root}${path}`)]
      .filter((entry) => entry.isDirectory)
      .map(({ name }) => cgroupAt(root, path === "/" ? `/${name}` : `${path}/${name}`));
  } catch (error) {
    // It was removed meanwhile.
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
