/**
 * The entries of a policy set, each one fact: this rule covers that file, this directory stands at that place, …
 * What takes them gives several entries of one thing their slots.
 *
 * @module
 */
import { AEGIS, KIND } from "./layout.ts";
import { type Identity, identityTail } from "./packed.ts";

/** One entry of a set; see `enum aegis_kind` in bpf/aegis.h. */
export interface SetEntry {
  readonly kind: number;
  readonly a: bigint;
  readonly b: bigint;
  /** Index of a rule, or `AEGIS.NO_RULE`. */
  readonly rule: number;
  /** Number of a place, 0 for none. */
  readonly node: number;
  readonly mask: bigint;
}

/** Takes entries; one that was taken before changes nothing. */
export interface EntrySink {
  add(entry: SetEntry): void;
  /** Takes an entry out again, where entries can be. */
  remove?(entry: SetEntry): void;
}

/** A rule covers a file under all its names. */
export function fileEntry(identity: Identity, rule: number): SetEntry {
  return { ...NOTHING, kind: KIND.FILE, a: identity.ino, b: identityTail(identity), rule };
}

/** A rule covers whatever file has this inode number, of any generation. */
export function inodeEntry({ ino, dev }: Pick<Identity, "ino" | "dev">, rule: number): SetEntry {
  return { ...NOTHING, kind: KIND.INODE, a: ino, b: identityTail({ dev, gen: 0 }), rule };
}

/** A rule covers all that lies below a directory. */
export function subtreeEntry(identity: Identity, rule: number): SetEntry {
  return { ...NOTHING, kind: KIND.DIR, a: identity.ino, b: identityTail(identity), rule };
}

/** A directory, or a symbolic link on the way, stands at a place. */
export function placeEntry(identity: Identity, node: number): SetEntry {
  return { ...NOTHING, kind: KIND.PLACE, a: identity.ino, b: identityTail(identity), node };
}

/** A name at a place leads to another place. */
export function edgeEntry(node: number, name: bigint, child: number): SetEntry {
  return { ...NOTHING, kind: KIND.EDGE, a: BigInt(node), b: name, node: child };
}

/** A rule covers what stands at a name of a place, or (`subtree`) all below the directory that stands there. */
export function leafEntry(node: number, name: bigint, rule: number, subtree: boolean): SetEntry {
  const mask = subtree ? BigInt(AEGIS.LEAF_SUBTREE) : 0n;
  return { ...NOTHING, kind: KIND.LEAF, a: BigInt(node), b: name, rule, mask };
}

/** Processes that run what stands at a name of a place are members of `mask`. */
export function executableLeafEntry(node: number, name: bigint, mask: bigint): SetEntry {
  return { ...NOTHING, kind: KIND.EXE_LEAF, a: BigInt(node), b: name, mask };
}

/** Processes that run a file are members of `mask`. */
export function executableEntry(identity: Identity, mask: bigint): SetEntry {
  return { ...NOTHING, kind: KIND.EXE, a: identity.ino, b: identityTail(identity), mask };
}

/** A cgroup's subtree is a member of `mask`. */
export function cgroupEntry(id: bigint, mask: bigint): SetEntry {
  return { ...NOTHING, kind: KIND.CGROUP, a: id, mask };
}

/** A cgroup stands at a place. */
export function cgroupPlaceEntry(id: bigint, node: number): SetEntry {
  return { ...NOTHING, kind: KIND.CGROUP_PLACE, a: id, node };
}

/** The cgroup of a name at a place is a member of `mask`. */
export function cgroupLeafEntry(node: number, name: bigint, mask: bigint): SetEntry {
  return { ...NOTHING, kind: KIND.CGROUP_LEAF, a: BigInt(node), b: name, mask };
}

/** Processes of a user are members of `mask`. */
export function uidEntry(uid: number, mask: bigint): SetEntry {
  return { ...NOTHING, kind: KIND.UID, a: BigInt(uid), mask };
}

/** Whether entries of a kind are one for each thing, with a mask that grows, rather than several in slots. */
export function hasMask(kind: number): boolean {
  return MASKED.has(kind);
}

/** Text that is equal for equal entries. */
export function entryText({ kind, a, b, rule, node, mask }: SetEntry): string {
  return `${kind}:${a}:${b}:${rule}:${node}:${mask}`;
}

const NOTHING = { a: 0n, b: 0n, rule: AEGIS.NO_RULE, node: 0, mask: 0n } as const;
const MASKED: ReadonlySet<number> = new Set([
  KIND.CGROUP,
  KIND.CGROUP_LEAF,
  KIND.EXE,
  KIND.EXE_LEAF,
  KIND.UID,
]);
