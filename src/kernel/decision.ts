/**
 * The kernel side's decision, made here again to be explained: `judge_object`, `judge` and `caller_mask` of bpf/decide.h
 * and bpf/subtree.h, over the same maps. A change there is a change here.
 *
 * @module
 */
import { AEGIS, KIND, OP } from "./layout.ts";
import { type Identity, identityTail, type KernelRule, nameHash } from "./packed.ts";
import type { SetView } from "./set_view.ts";

/** Who asks. */
export interface Caller {
  readonly uid: number;
  readonly exe?: Identity;
  /** Ids of the caller's cgroups from the root down, that are there. */
  readonly cgroups: readonly bigint[];
  /** Names of cgroups below those that are not there yet. */
  readonly missing?: readonly string[];
}

/** Why a caller is a member of what `mask` stands for. */
export interface Membership {
  readonly by: "uid" | "exe" | "cgroup";
  /** For a cgroup: its level, 0 for the root. */
  readonly level?: number;
  readonly mask: bigint;
}

/** What is asked about. */
export interface Subject {
  /** The file; undefined where none stands there. */
  readonly file?: Identity;
  /** Directories above it, nearest first, up to the root of its file system. */
  readonly above: readonly Identity[];
  /** The file in a layer, where `file` is on an overlay: the hooks run for both. */
  readonly behind?: Identity;
  /** Names below the first of `above` that are not there yet, the file's own last. */
  readonly missing?: readonly string[];
}

/** How a rule names a file: it, its inode number, a directory above it, or a name that a file may come to stand at. */
export type NamedBy = "file" | "inode" | "subtree" | "place";

/** A rule that names the subject. */
export interface Match {
  readonly by: NamedBy;
  readonly index: number;
  readonly rule: KernelRule;
  /** For a subtree: position in `above`; -1 for a directory that is not there yet. */
  readonly level?: number;
  /** Whether it names the file behind one on an overlay. */
  readonly behind?: boolean;
}

/** What keeps a rule from an operation. Exceptions and exemptions carry the caller's bits that do. */
export type Unmet =
  | { readonly kind: "operation" }
  | { readonly kind: "scope" }
  | { readonly kind: "exception"; readonly bits: bigint }
  | { readonly kind: "exempt" };

/** What a rule that names the subject says of an operation. */
export interface Judged extends Match {
  readonly says: "deny" | "audit" | "nothing";
  /** Why it says nothing: everything that is in the way. */
  readonly unmet: readonly Unmet[];
}

/** Everything that decides. */
export interface Verdict {
  /** Every rule that names the subject, in the order in which they are asked. */
  readonly judged: readonly Judged[];
  /** The one whose word counts: the first that denies, else the first that reports. */
  readonly deciding: Judged | undefined;
  readonly memberships: readonly Membership[];
}

/** What the rules of a set say of an operation by a caller. */
export function decide(view: SetView, subject: Subject, op: number, caller: Caller): Verdict {
  const memberships = membershipsOf(view, caller);
  const mask = memberships.reduce((sum, membership) => sum | membership.mask, 0n);
  const judged = matchesOf(view, subject).map((match) => ({ ...match, ...judge(match.rule, op, mask) }));
  const deciding = judged.find(({ says }) => says === "deny") ?? judged.find(({ says }) => says === "audit");
  return { judged, deciding, memberships };
}

/** Everything that a caller is a member of, by why, as far as the set asks. */
export function membershipsOf(view: SetView, caller: Caller): Membership[] {
  const { uid, exe, cgroups, missing = [] } = caller;
  const found: Membership[] = [{ by: "uid", mask: maskAt(view, KIND.UID, BigInt(uid)) }];
  if (exe) found.push({ by: "exe", mask: maskAt(view, KIND.EXE, exe.ino, identityTail(exe)) });
  const deepest = Math.min(view.cgroupDepth, CGROUP_LEVELS);
  cgroups.forEach((id, level) => {
    if (level <= deepest) found.push({ by: "cgroup", level, mask: maskAt(view, KIND.CGROUP, id) });
  });
  const last = cgroups.at(-1);
  if (last !== undefined) found.push(...futureMemberships(view, last, cgroups.length, missing));
  return found.filter(({ by, mask }) => mask !== 0n && (view.live & LIVE_BIT[by]) !== 0);
}

/** What a rule says of an operation by a caller who is a member of `mask`. */
export function judge(rule: KernelRule, op: number, mask: bigint): Pick<Judged, "says" | "unmet"> {
  const unmet: Unmet[] = [];
  if ((rule.ops & 1 << op) === 0) unmet.push({ kind: "operation" });
  if ((rule.flags & AEGIS.RULE_CANARY) === 0) {
    if (rule.scopes !== 0n && (rule.scopes & mask) === 0n) unmet.push({ kind: "scope" });
    const bits = rule.exceptScopes & mask;
    if (bits !== 0n) unmet.push({ kind: "exception", bits });
    if ((mask & EXEMPT) !== 0n) unmet.push({ kind: "exempt" });
  }
  if (unmet.length > 0) return { says: "nothing", unmet };
  return { says: rule.flags & AEGIS.RULE_ENFORCE ? "deny" : "audit", unmet };
}

/** Bit of a caller mask that is exempt from every rule: `AEGIS_EXEMPT`. */
export const EXEMPT = 1n;

/** Whether an operation is decided when a file is opened, rather than by a hook of its own. */
export function isOpening(op: number): boolean {
  return op === OP.READ || op === OP.WRITE || op === OP.EXEC;
}

/** The bit of the live word that makes the kernel side look at what a caller is by this. */
const LIVE_BIT: Readonly<Record<Membership["by"], number>> = {
  uid: AEGIS.LIVE_UIDS,
  exe: AEGIS.LIVE_EXES,
  cgroup: AEGIS.LIVE_CGROUPS,
};

/** `CGROUP_LEVELS` in bpf/decide.h. */
const CGROUP_LEVELS = 32;

function maskAt(view: SetView, kind: number, a: bigint, b = 0n): bigint {
  return view.entries(kind, a, b)[0]?.mask ?? 0n;
}

/** What cgroups will be members of when they are made: `bind_cgroup` in bpf/places.h. */
function futureMemberships(
  view: SetView,
  parent: bigint,
  level: number,
  names: readonly string[],
): Membership[] {
  const found: Membership[] = [];
  let node = view.entries(KIND.CGROUP_PLACE, parent, 0n)[0]?.node;
  for (const [index, name] of names.entries()) {
    if (node === undefined) break;
    const hash = nameHash(name);
    found.push({
      by: "cgroup",
      level: level + index,
      mask: maskAt(view, KIND.CGROUP_LEAF, BigInt(node), hash),
    });
    node = view.entries(KIND.EDGE, BigInt(node), hash)[0]?.node;
  }
  return found;
}

function matchesOf(view: SetView, { file, behind, above, missing = [] }: Subject): Match[] {
  const found: Match[] = [];
  if (file) addFile(found, view, file);
  else addPlaces(found, view, above[0], missing);
  if (view.live & AEGIS.LIVE_SUBTREES) {
    above.forEach(({ ino, ...rest }, level) =>
      add(found, view, "subtree", view.entries(KIND.DIR, ino, identityTail(rest)), level)
    );
  }
  if (behind) {
    const layered: Match[] = [];
    addFile(layered, view, behind);
    found.push(...layered.map((match) => ({ ...match, behind: true })));
  }
  return found;
}

function addFile(found: Match[], view: SetView, file: Identity): void {
  const tail = identityTail(file);
  add(found, view, "file", view.entries(KIND.FILE, file.ino, tail));
  add(found, view, "inode", view.entries(KIND.INODE, file.ino, tail >> 32n << 32n));
}

/** Rules that will name what comes to stand at names that are not there: `bind_at` in bpf/places.h. */
function addPlaces(
  found: Match[],
  view: SetView,
  directory: Identity | undefined,
  names: readonly string[],
): void {
  if (directory === undefined) return;
  let nodes = view.entries(KIND.PLACE, directory.ino, identityTail(directory))
    .slice(0, AEGIS.PLACE_SLOTS).map(({ node }) => node);
  for (const [index, name] of names.entries()) {
    const hash = nameHash(name);
    const leaves = nodes.flatMap((node) => view.entries(KIND.LEAF, BigInt(node), hash));
    const isLast = index === names.length - 1;
    // The file itself, or the directories on the way whose subtrees it will be in.
    const subtree = (leaf: { readonly mask: bigint }) => (leaf.mask & BigInt(AEGIS.LEAF_SUBTREE)) !== 0n;
    if (isLast) add(found, view, "place", leaves.filter((leaf) => !subtree(leaf)));
    else add(found, view, "subtree", leaves.filter(subtree), -1);
    nodes = nodes.flatMap((node) => view.entries(KIND.EDGE, BigInt(node), hash).map((edge) => edge.node));
  }
}

function add(
  found: Match[],
  view: SetView,
  by: NamedBy,
  entries: readonly { readonly rule: number }[],
  level?: number,
): void {
  for (const { rule: index } of entries) {
    const rule = view.rule(index);
    if (rule === undefined) continue;
    found.push({ by, index, rule, ...(level === undefined ? {} : { level }) });
  }
}
