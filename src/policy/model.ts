/**
 * A policy as the rest of the product sees it: checked, every default filled in, nothing left to interpret.
 *
 * `line` is a line of the file the policy was parsed from, counted from 1.
 *
 * @module
 */

import type { Operation } from "./operations.ts";

/** What a matching rule does: refuse with EPERM, or let through and report. */
export type Mode = "enforce" | "audit";

/** The signal a denied process gets besides EPERM: none, SIGTERM or SIGKILL. */
export type Signal = "none" | "term" | "kill";

/** A file by its place in the file system, or (`subtree`) a directory and everything below it. */
export interface PathTarget {
  /** Absolute and canonical: no `.`, `..`, empty component or trailing slash; without the `/**` of a subtree. */
  readonly path: string;
  readonly subtree: boolean;
  readonly line: number;
}

/** A file by what it is to the kernel. `major` and `minor` are those of the superblock's device. */
export interface InodeTarget {
  /** 0 to 4095. */
  readonly major: number;
  /** 0 to 2^20 - 1. */
  readonly minor: number;
  /** 1 to 2^64 - 1. */
  readonly ino: bigint;
  /** 0 to 2^32 - 1; absent: whatever generation the inode has. */
  readonly generation?: number;
  readonly line: number;
}

/** A cgroup, its subtree included, by its path below the cgroup2 root. */
export interface CgroupByPath {
  readonly kind: "path";
  readonly path: string;
  readonly line: number;
}

/** A cgroup, its subtree included, by its id: the inode number of its directory, 1 to 2^64 - 1. */
export interface CgroupById {
  readonly kind: "id";
  readonly id: bigint;
  readonly line: number;
}

/** A cgroup named by a policy; it stands for its whole subtree. */
export type CgroupRef = CgroupByPath | CgroupById;

/** An executable that a rule makes an exception for: the file, not its name. */
export interface ExecutableRef {
  readonly path: string;
  readonly line: number;
}

/** Callers a rule does not apply to; any one match is enough. */
export interface Exceptions {
  readonly cgroups: readonly CgroupRef[];
  readonly exe: readonly ExecutableRef[];
  /** 0 to 2^32 - 2. */
  readonly uids: readonly number[];
}

/** A named set of cgroups. */
export interface Scope {
  readonly name: string;
  readonly cgroups: readonly CgroupRef[];
  readonly line: number;
}

/** One entry of a policy: which files, which operations, for whom, and what happens. */
export interface Rule {
  readonly id: string;
  /** Where the rule begins. */
  readonly line: number;
  readonly paths: readonly PathTarget[];
  readonly inodes: readonly InodeTarget[];
  /** Denied operations, in the order of `OPERATIONS`; never empty. */
  readonly ops: readonly Operation[];
  /** Names of the scopes it applies in; empty: everywhere. */
  readonly in: readonly string[];
  readonly except: Exceptions;
  /** The rule's own mode, or else the policy's. */
  readonly mode: Mode;
  readonly signal: Signal;
}

/** A whole policy. */
export interface Policy {
  /** Version of the format. */
  readonly version: 1;
  readonly name: string;
  /** The rollout number, 1 to 2^53 - 1. */
  readonly serial: number;
  /** RFC 3339; after it the policy can no longer be applied anew. */
  readonly expires?: string;
  readonly mode: Mode;
  readonly scopes: readonly Scope[];
  readonly allow: {
    /** Exempt from every rule. */
    readonly cgroups: readonly CgroupRef[];
  };
  readonly rules: readonly Rule[];
}
