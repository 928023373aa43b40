/**
 * The small languages inside a policy's strings: paths, inodes and cgroups, each with its parser and its printer.
 *
 * Nothing is normalised. A path that could be written in a second way is refused with the way to write it, so that two
 * policies which look different are different, and what a reviewer reads is what the kernel gets.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { LIMITS } from "./limits.ts";
import type { CgroupById, CgroupByPath, CgroupRef, InodeTarget, PathTarget } from "./model.ts";

/** What a parser made of a text: the value, or what is wrong with it in one sentence without a full stop. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string };

type WithoutLine<T> = T extends unknown ? Omit<T, "line"> : never;

/** A path target that has no place in a file yet. */
export type PathValue = WithoutLine<PathTarget>;
/** An inode target that has no place in a file yet. */
export type InodeValue = WithoutLine<InodeTarget>;
/** A cgroup that has no place in a file yet. */
export type CgroupValue = WithoutLine<CgroupByPath> | WithoutLine<CgroupById>;

/** Parses a rule's path: an absolute path of one file, or `DIR/**` for a directory and everything below it. */
export function parsePathTarget(text: string): Parsed<PathValue> {
  const subtree = text.startsWith("/") && text.endsWith("/**");
  const path = subtree ? text.slice(0, -3) || "/" : text;
  const problem = pathProblem(path) ?? globProblem(path);
  return problem === undefined ? accepted({ path, subtree }) : refused(problem);
}

/** Parses the absolute path of one file; `DIR/**` is refused. */
export function parseFilePath(text: string): Parsed<string> {
  if (text.endsWith("/**")) return refused("a single file is expected here, not a subtree");
  const problem = pathProblem(text) ?? globProblem(text);
  return problem === undefined ? accepted(text) : refused(problem);
}

/** Parses `MAJOR:MINOR:INO[:GENERATION]`, decimal numbers without leading zeros. */
export function parseInodeTarget(text: string): Parsed<InodeValue> {
  const parts = text.split(":");
  if (parts.length < 3 || parts.length > 4 || !parts.every(isDecimal)) {
    return refused(`${quote(text)} is not an inode`);
  }
  const [major, minor, ino, generation] = parts.map(BigInt);
  if (major === undefined || major > 4095n) return refused("the major number is above 4095");
  if (minor === undefined || minor > 0xfffffn) return refused("the minor number is above 1048575");
  if (ino === undefined || ino < 1n || ino > U64_MAX) {
    return refused("the inode number is not between 1 and 2^64 - 1");
  }
  const value = { major: Number(major), minor: Number(minor), ino };
  if (generation === undefined) return accepted(value);
  if (generation > 0xffffffffn) return refused("the generation is above 2^32 - 1");
  return accepted({ ...value, generation: Number(generation) });
}

/** Parses a cgroup: an absolute path below the cgroup2 root, or `id:N`. */
export function parseCgroup(text: string): Parsed<CgroupValue> {
  if (text.startsWith("id:")) {
    const digits = text.slice(3);
    if (!isDecimal(digits)) return refused(`${quote(text)} is not a cgroup id`);
    const id = BigInt(digits);
    if (id < 1n || id > U64_MAX) return refused("the cgroup id is not between 1 and 2^64 - 1");
    return accepted({ kind: "id", id });
  }
  if (text.startsWith("/sys/fs/cgroup/")) {
    return refused("a cgroup path starts below the cgroup mount, without /sys/fs/cgroup");
  }
  const problem = pathProblem(text, "cgroup path");
  if (problem !== undefined) return refused(problem);
  const levels = text === "/" ? 0 : text.split("/").length - 1;
  if (levels > LIMITS.cgroupLevels) {
    return refused(`the cgroup is ${levels} levels deep, more than ${LIMITS.cgroupLevels}`);
  }
  return accepted({ kind: "path", path: text });
}

/** The text of a path target, which `parsePathTarget` reads back. */
export function formatPathTarget(target: PathValue): string {
  if (!target.subtree) return target.path;
  return target.path === "/" ? "/**" : `${target.path}/**`;
}

/** The text of an inode target, which `parseInodeTarget` reads back. */
export function formatInodeTarget(target: InodeValue): string {
  const exact = `${target.major}:${target.minor}:${target.ino}`;
  return target.generation === undefined ? exact : `${exact}:${target.generation}`;
}

/** The text of a cgroup, which `parseCgroup` reads back. */
export function formatCgroup(cgroup: CgroupRef | CgroupValue): string {
  return cgroup.kind === "id" ? `id:${cgroup.id}` : cgroup.path;
}

/** A text of a user's for a message: quoted, escaped and at most 80 characters long. */
export function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return JSON.stringify(shown).replace(UNPRINTABLE, escapeCharacter);
}

/**
 * What no text of a policy may hold: control characters, and those that make a line look different from what it says
 * (bidirectional embeddings and isolates, a byte order mark, Unicode's line separators).
 */
// deno-lint-ignore no-control-regex
export const UNPRINTABLE = /[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** The name of a character for a message, such as `NUL` or `U+202E`. */
export function characterName(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code === 0 ? "a NUL" : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

const U64_MAX = 2n ** 64n - 1n;

function accepted<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function refused(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

function isDecimal(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,19})$/.test(text);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** What keeps `path` from being an absolute, canonical path that the kernel can take. */
function pathProblem(path: string, noun = "path"): string | undefined {
  if (path === "") return `the ${noun} is empty`;
  if (!path.isWellFormed()) return `the ${noun} holds half of a surrogate pair`;
  const bad = path.match(UNPRINTABLE)?.[0];
  if (bad !== undefined) {
    return `the ${noun} contains ${characterName(bad)}, a character that is not accepted`;
  }
  if (!path.startsWith("/")) return `the ${noun} ${quote(path)} is relative`;
  const length = byteLength(path);
  if (length > LIMITS.pathBytes) return `the ${noun} has ${length} bytes, more than ${LIMITS.pathBytes}`;
  if (path === "/") return undefined;
  return componentProblem(path, noun);
}

function componentProblem(path: string, noun: string): string | undefined {
  const components = path.slice(1).split("/");
  if (components.includes("..")) return `the ${noun} contains ".."; write the one that is meant`;
  const canonical = "/" + components.filter((name) => name !== "" && name !== ".").join("/");
  if (canonical !== path) {
    const directory = path.endsWith("/") && noun === "path" && !canonical.endsWith("**") && canonical !== "/";
    const below = directory ? `, or ${quote(`${canonical}/**`)} for all below it` : "";
    return `the ${noun} is not in its shortest form; write ${quote(canonical)}${below}`;
  }
  const long = components.find((name) => byteLength(name) > LIMITS.nameBytes);
  if (long === undefined) return undefined;
  return `a name in the ${noun} has ${byteLength(long)} bytes, more than ${LIMITS.nameBytes}`;
}

function globProblem(path: string): string | undefined {
  const glob = path.match(/[*?[{]/)?.[0];
  if (glob === undefined) return undefined;
  return `the path contains ${quote(glob)}, but there are no patterns except "DIR/**", a whole directory; ` +
    "a file with such a name can be given under inodes";
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}
