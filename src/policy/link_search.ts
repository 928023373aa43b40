/**
 * Looks through the directories of `DIR/**` for files that have names outside: hard links from before the rule, of which
 * no hook has told. Opened by such a name, the kernel side does not meet the directory above it.
 *
 * @module
 */
import { lstatSync, readdirSync } from "node:fs";
import { readMounts } from "../kernel/host.ts";
import { type CoveredDirectory, realPath } from "./nested_mounts.ts";

/** A file that has a name outside of a directory whose subtree a rule covers. */
export interface LinkedFile {
  /** One of its names inside. */
  readonly path: string;
  /** The rule's index in the set. */
  readonly index: number;
}

/** Looks a little at a time, within the directory's own file system; every name is met once. */
export class LinkSearch {
  /** Names that were met. */
  looked = 0;
  readonly #waiting: readonly CoveredDirectory[];
  readonly #most: number;
  #at = 0;
  #tree: Tree | undefined;

  /** @param most So many names are looked at, of all directories together; the rest is left. */
  constructor(directories: readonly CoveredDirectory[], most: number = MAX_NAMES) {
    this.#waiting = directories;
    this.#most = most;
  }

  /** Whether nothing is left to look at, or no more is looked at. */
  get isOver(): boolean {
    return this.#tree === undefined && this.#at >= this.#waiting.length || this.isCut;
  }

  /** Whether there is more than was looked at. */
  get isCut(): boolean {
    return this.looked >= this.#most;
  }

  /** Goes on for so many milliseconds, and gives what was found in the directories that are done. */
  step(ms: number): LinkedFile[] {
    const end = performance.now() + ms;
    const found: LinkedFile[] = [];
    while (!this.isOver && performance.now() < end) {
      const directory = this.#waiting[this.#at];
      if (directory === undefined) break;
      this.#tree ??= new Tree(directory.path);
      this.looked += this.#tree.readOne();
      if (!this.#tree.isRead && !this.isCut) continue;
      found.push(...this.#tree.linkedOut().map((path) => ({ path, index: directory.index })));
      this.#tree = undefined;
      this.#at++;
    }
    return found;
  }
}

const MAX_NAMES = 200_000;

/** Files with several names, by inode number, and how many of them were met. */
type Linked = Map<bigint, { readonly path: string; readonly links: bigint; names: bigint }>;

/** One directory and all below it. */
class Tree {
  readonly #folders: string[];
  readonly #linked: Linked = new Map();
  readonly #device: bigint | undefined;
  /** What is bound from elsewhere into the directory is not of it. */
  readonly #mountPoints: ReadonlySet<string>;

  constructor(path: string) {
    const real = realPath(path);
    this.#device = statOf(real)?.dev;
    this.#folders = [real];
    this.#mountPoints = new Set(readMounts().map(({ mountPoint }) => mountPoint).filter((at) => at !== real));
  }

  get isRead(): boolean {
    return this.#folders.length === 0;
  }

  /** Reads one directory; gives how many names it has. */
  readOne(): number {
    const folder = this.#folders.pop();
    if (folder === undefined || this.#mountPoints.has(folder)) return 0;
    if (statOf(folder)?.dev !== this.#device) return 0;
    const entries = namesIn(folder);
    for (const entry of entries) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) this.#folders.push(path);
      else this.#meet(path);
    }
    return entries.length;
  }

  /** Those of whose names not all were met. */
  linkedOut(): string[] {
    return [...this.#linked.values()].filter(({ links, names }) => names < links).map(({ path }) => path);
  }

  #meet(path: string): void {
    const stat = statOf(path);
    if (stat === undefined || stat.nlink < 2n) return;
    const known = this.#linked.get(stat.ino);
    if (known) known.names++;
    else this.#linked.set(stat.ino, { path, links: stat.nlink, names: 1n });
  }
}

/** What is there now; undefined for what went away, or cannot be reached. */
function statOf(path: string) {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function namesIn(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
