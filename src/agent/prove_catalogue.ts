/**
 * The catalogue of `prove`: every known way round a rule, and what is promised about it. docs/coverage.md says the same.
 *
 * @module
 */
import type { Backend } from "../kernel/backend.ts";
import type { Operation } from "../policy/operations.ts";

/**
 * What is promised of a way: `always`; `soon`, from 100 ms after a change on; or `never`.
 *
 * Under a backend that refuses it is that the operation is refused, under the others that it is reported.
 */
export type Promise = "always" | "soon" | "never";

/** What a rule's target is: a file by its path, `DIR/**`, or an inode. */
export type TargetKind = "file" | "subtree" | "inode";

/** What an attempt must come to: that the rule's word holds, that it does not, or that the caller gets its signal too. */
export type Aim = "held" | "let through" | "signalled";

/** One way round a rule. */
export interface Way {
  readonly name: string;
  readonly aim: Aim;
  /** Which rules it is about: those that deny one of these. It is tried for each of them. */
  readonly ops: readonly Operation[];
  readonly kinds: readonly TargetKind[];
  /** What is promised where the backend attaches to the kernel's own hooks: lsm, fmod_ret, fentry. */
  readonly hooks: Promise;
  /** What is promised where it sees system calls return. */
  readonly tracepoint: Promise;
}

const ACCESS = ["read", "write", "exec"] as const;
const OPEN = ["read", "write"] as const;
const EXEC = ["exec"] as const;
const ALL = ["file", "subtree", "inode"] as const;
const FILE = ["file"] as const;
const ONE = ["file", "inode"] as const;
const PATHS = ["file", "subtree"] as const;
const TREE = ["subtree"] as const;

/** All ways, in the order in which they are shown. */
export const WAYS = [
  way("direct", ACCESS, ALL, "always", "always"),
  way("symlink", ACCESS, ALL, "always", "always"),
  way("hard link", ACCESS, ONE, "always", "always"),
  way("rename", ACCESS, ONE, "always", "always"),
  way("exchange", ACCESS, FILE, "always", "soon"),
  way("atomic replace", ACCESS, FILE, "always", "soon"),
  way("delete and create", ACCESS, FILE, "always", "soon"),
  way("ln -f", ACCESS, FILE, "always", "soon"),
  way("created later", ACCESS, FILE, "always", "soon"),
  way("created later with its directory", ACCESS, PATHS, "always", "soon"),
  way("parent renamed", ACCESS, ALL, "always", "always"),
  way("parent swapped", ACCESS, PATHS, "always", "soon"),
  way("new file", ACCESS, TREE, "always", "always"),
  way("nested", ACCESS, TREE, "always", "always"),
  way("new directory", ACCESS, TREE, "always", "always"),
  way("moved in", ACCESS, TREE, "always", "always"),
  way("moved out", ACCESS, TREE, "always", "never"),
  way("directory moved out", ACCESS, TREE, "always", "never"),
  way("linked out", ACCESS, TREE, "always", "never"),
  way("bind mount", ACCESS, ALL, "always", "always"),
  way("mount namespace", ACCESS, ALL, "always", "always"),
  way("detached mount", ACCESS, ALL, "always", "always"),
  way("chroot", ACCESS, ALL, "always", "always"),
  way("/proc/self/fd", ACCESS, ALL, "always", "always"),
  way("file handle", OPEN, ALL, "always", "always"),
  way("openat2", OPEN, ALL, "always", "always"),
  way("io_uring", OPEN, ALL, "always", "never"),
  way("FIFO", OPEN, PATHS, "always", "always"),
  way("through an overlay", ACCESS, ALL, "always", "never"),
  way("copied up in an overlay", ["read"], ALL, "always", "never"),
  way("descriptor passed on", ["read"], ALL, "never", "never"),
  way("descriptor passed on, opened again", OPEN, ALL, "always", "always"),
  way("interpreter of a script", EXEC, ALL, "always", "always"),
  way("ld.so", EXEC, ALL, "always", "never"),
  way("mmap", EXEC, ALL, "always", "never"),
  way("mprotect", EXEC, ALL, "always", "never"),
  way("copy in memory", EXEC, ALL, "never", "never"),
  way("truncate", ["truncate"], ALL, "always", "never"),
  way("open with O_TRUNC", ["truncate"], ALL, "always", "never"),
  way("truncate without an open", ["write"], ALL, "never", "never"),
  way("delete", ["delete"], ALL, "always", "never"),
  way("delete a directory", ["delete"], TREE, "always", "never"),
  way("rename away", ["rename"], ALL, "always", "never"),
  way("rename over", ["rename"], ALL, "always", "never"),
  way("rename in exchange", ["rename"], ALL, "always", "never"),
  way("link", ["link"], ALL, "always", "never"),
  way("link of a descriptor", ["link"], ALL, "always", "never"),
  way("chmod", ["attr"], ALL, "always", "never"),
  way("chmod of a descriptor", ["attr"], ALL, "always", "never"),
  way("chown", ["attr"], ALL, "always", "never"),
  way("times", ["attr"], ALL, "always", "never"),
  way("extended attribute", ["attr"], ALL, "always", "never"),
  way("cgroup below the scope", ACCESS, ALL, "always", "always"),
  way("cgroup made later", ACCESS, ALL, "always", "always"),
  way("copy of an excepted executable", OPEN, ALL, "always", "always"),
  way("caller outside of the scope", ACCESS, ALL, "always", "always", "let through"),
  way("excepted cgroup", ACCESS, ALL, "always", "always", "let through"),
  way("excepted user", ACCESS, ALL, "always", "always", "let through"),
  way("excepted executable", OPEN, ALL, "always", "always", "let through"),
  way("signal", ACCESS, ALL, "always", "never", "signalled"),
] as const;

/** The name of a way. */
export type WayName = typeof WAYS[number]["name"];

/** One way, for one operation. */
export interface Attempt {
  readonly way: WayName;
  readonly op: Operation;
  readonly aim: Aim;
  readonly promise: Promise;
}

/** What is to be tried of a rule with a target of this kind: the order is that of the catalogue. */
export function attemptsFor(
  { ops, kind, backend, signals }: {
    readonly ops: readonly Operation[];
    readonly kind: TargetKind;
    readonly backend: Backend;
    /** Whether the rule signals whom it refuses. */
    readonly signals: boolean;
  },
): Attempt[] {
  return WAYS.filter(({ kinds, aim }) =>
    kinds.some((one) => one === kind) && (signals || aim !== "signalled")
  ).flatMap((one) =>
    one.ops.filter((op) => ops.includes(op)).map((op) => ({
      way: one.name,
      op,
      aim: one.aim,
      promise: backend === "tracepoint" ? one.tracepoint : one.hooks,
    }))
  );
}

function way<const Name extends string>(
  name: Name,
  ops: readonly Operation[],
  kinds: readonly TargetKind[],
  hooks: Promise,
  tracepoint: Promise,
  aim: Aim = "held",
): Way & { readonly name: Name } {
  return { name, aim, ops, kinds, hooks, tracepoint };
}
