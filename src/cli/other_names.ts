/**
 * Finds the other names of a file on its file system: hard links, by a search that is bounded in time and size.
 *
 * @module
 */
import { type BigIntStats, lstatSync, opendirSync } from "node:fs";

/** What the search found. */
export interface OtherNames {
  /** Absolute paths. */
  readonly names: readonly string[];
  /** Whether every name was found. */
  readonly complete: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** Bounds of a search. */
export interface SearchBounds {
  /** Milliseconds. Default: 2000. */
  readonly timeMs?: number;
  /** Directory entries that are looked at. Default: 500,000. */
  readonly entries?: number;
}

/**
 * Searches the file's own directory first, then those above it, each with all below, up to where its file system is
 * mounted: links are mostly close by.
 *
 * @param path Absolute, without symbolic links.
 */
export function findOtherNames(path: string, bounds: SearchBounds = {}): OtherNames {
  const file = statOf(path);
  if (file === undefined) return { names: [], complete: false, reason: "the file is gone" };
  const search = new Search(path, file, bounds);
  let below: string | undefined;
  for (let folder = parentOf(path);; folder = parentOf(folder)) {
    if (statOf(folder)?.dev !== file.dev || !search.tree(folder, below) || folder === "/") break;
    below = folder;
  }
  return search.result();
}

class Search {
  readonly #path: string;
  readonly #file: BigIntStats;
  readonly #until: number;
  readonly #names: string[] = [];
  #left: number;
  #cut: string | undefined;

  constructor(path: string, file: BigIntStats, { timeMs = 2000, entries = 500_000 }: SearchBounds) {
    this.#path = path;
    this.#file = file;
    this.#until = performance.now() + timeMs;
    this.#left = entries;
  }

  /** Searches a folder but for one below it; false when there is no more to find, or no more time. */
  tree(top: string, except: string | undefined): boolean {
    const folders = [top];
    for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
      if (!this.#folder(folder, except, folders)) return false;
    }
    return true;
  }

  result(): OtherNames {
    const found = this.#names.length + 1 >= Number(this.#file.nlink);
    const reason = this.#cut ?? "the others are not below where this file system is mounted, or not readable";
    return { names: this.#names.toSorted(), complete: found, ...(found ? {} : { reason }) };
  }

  #folder(folder: string, except: string | undefined, folders: string[]): boolean {
    for (const { name, isDirectory } of entriesOf(folder)) {
      if (--this.#left < 0 || performance.now() > this.#until) {
        this.#cut = "the search was cut off";
        return false;
      }
      const path = folder === "/" ? `/${name}` : `${folder}/${name}`;
      if (path === except || path === this.#path) continue;
      const found = statOf(path);
      if (found === undefined || found.dev !== this.#file.dev) continue;
      if (isDirectory) folders.push(path);
      else if (found.ino === this.#file.ino) this.#names.push(path);
      if (this.#names.length + 1 >= Number(this.#file.nlink)) return false;
    }
    return true;
  }
}

function* entriesOf(path: string): Generator<{ readonly name: string; readonly isDirectory: boolean }> {
  let folder;
  try {
    folder = opendirSync(path);
  } catch {
    // It is gone, or not for us: what is in it stays unknown, which the count of names shows.
    return;
  }
  try {
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
      yield { name: entry.name, isDirectory: entry.isDirectory() };
    }
  } finally {
    folder.closeSync();
  }
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    // Not readable, or a mount that hangs up: as above.
    return undefined;
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
