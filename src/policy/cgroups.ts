/**
 * Finds the cgroups that policies name. A cgroup's id is the inode number of its directory; it is never used again.
 *
 * @module
 */
import {
  cgroupEntry,
  cgroupLeafEntry,
  cgroupPlaceEntry,
  edgeEntry,
  type EntrySink,
} from "../kernel/entries.ts";
import { nameHash } from "../kernel/packed.ts";
import type { CgroupRef } from "./model.ts";
import type { PlaceTree } from "./places.ts";

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

/** The depth of a cgroup that is named by its path; for an id, where it is now or the deepest that is looked at. */
export function levelOf(cgroup: CgroupRef): number {
  return cgroup.kind === "path" ? namesOf(cgroup.path).length : MAX_CGROUP_LEVEL;
}

/**
 * Adds to the sink that a cgroup is a member of `mask`, and the places by which the kernel side knows it again when it
 * is made anew, as systemd does whenever a unit starts.
 *
 * @returns Whether the cgroup exists.
 */
export function bindCgroup(
  root: CgroupFolder | undefined,
  cgroup: CgroupRef,
  mask: bigint,
  tree: PlaceTree,
  sink: EntrySink,
): boolean {
  if (cgroup.kind === "id") sink.add(cgroupEntry(cgroup.id, mask));
  else addCgroupPlaces(root, cgroup.path, mask, tree, sink);
  const found = root === undefined ? undefined : findCgroup(root, cgroup);
  if (found) sink.add(cgroupEntry(found.id, mask));
  return found !== undefined;
}

function addCgroupPlaces(
  root: CgroupFolder | undefined,
  path: string,
  mask: bigint,
  tree: PlaceTree,
  sink: EntrySink,
): void {
  const names = namesOf(path);
  let node = CGROUP_ROOT;
  let here = "/";
  for (const [index, name] of names.entries()) {
    const found = root === undefined ? undefined : cgroupAt(root, here);
    if (found) sink.add(cgroupPlaceEntry(found.id, node));
    const child = tree.child(node, name);
    sink.add(edgeEntry(node, nameHash(name), child));
    if (index === names.length - 1) sink.add(cgroupLeafEntry(node, nameHash(name), mask));
    here = here === "/" ? `/${name}` : `${here}/${name}`;
    node = child;
  }
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

/** The place of the root cgroup, in the tree of the places of files. */
const CGROUP_ROOT = 2;

/** The cgroup at a path below the root. */
export function cgroupAt(root: CgroupFolder, path: string): FoundCgroup | undefined {
  try {
    const { ino } = Deno.statSync(`${root}${path}`);
    return { id: BigInt(ino ?? 0), level: namesOf(path).length, path };
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
