/**
 * Finds the file behind one on an overlay. The kernel decides about both: the merged file, and the one in a layer that is
 * really opened.
 *
 * @module
 */
import { type FileDescriptor, fileSystemType, openPath, statFd, SystemError } from "../../ffi/libc.ts";
import { type Mount, readMounts } from "../kernel/host.ts";
import { type Identities, type Known, openIfThere } from "../kernel/identities.ts";

/** A file in a layer. */
export interface FileBehind {
  readonly known: Known;
  readonly path: string;
}

/**
 * The file behind an open file; undefined where it is not on an overlay, and `"unknown"` where it is but its layers are
 * not reached from here.
 *
 * @param path The file's path.
 * @param mounts Those of this mount namespace.
 */
export function fileBehind(
  identities: Identities,
  handle: FileDescriptor,
  path: string,
  mounts: readonly Mount[] = readMounts(),
): FileBehind | "unknown" | undefined {
  const { mountId } = statFd(handle.fd);
  const mount = mounts.find(({ id }) => BigInt(id) === mountId);
  if (mount === undefined) {
    // A mount of another namespace, reached through /proc/PID/root.
    return fileSystemType(`/proc/self/fd/${handle.fd}`) === OVERLAYFS_MAGIC ? "unknown" : undefined;
  }
  if (mount.type !== "overlay") return undefined;
  const below = path.slice(mount.mountPoint === "/" ? 0 : mount.mountPoint.length);
  const inside = mount.root === "/" ? below : `${mount.root}${below}`;
  for (const layer of layersOf(mount.options)) {
    try {
      using found = openIfThere(() => openPath(`${layer}${inside}`, { follow: false }));
      if (found === undefined) continue;
      const known = identities.ofHandle(found);
      const isWhiteout = (known.mode & S_IFMT) === S_IFCHR;
      return isWhiteout ? "unknown" : { known, path: `${layer}${inside}` };
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return "unknown";
    }
  }
  return "unknown";
}

/** Absolute paths of the layers, the uppermost first. */
export function layersOf(options: string): string[] {
  const upper: string[] = [];
  const lower: string[] = [];
  // A comma in a path is escaped by a backslash, as is a colon.
  for (const option of options.split(/(?<!\\),/)) {
    const [key = "", value = ""] = split(option);
    if (key === "upperdir") upper.push(value);
    if (key === "lowerdir" || key === "lowerdir+") lower.push(...value.split(/(?<!\\)::?/));
  }
  return [...upper, ...lower].map((layer) => layer.replaceAll(/\\(.)/g, "$1"))
    .filter((layer) => layer.startsWith("/"));
}

const OVERLAYFS_MAGIC = 0x794c7630;
const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;

function split(option: string): [key: string, value: string] {
  const at = option.indexOf("=");
  return at < 0 ? [option, ""] : [option.slice(0, at), option.slice(at + 1)];
}
