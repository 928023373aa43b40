/**
 * The running host's answers for the safety check.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { type Essential, programFile } from "./essential.ts";
import type { FileIdentity, HostFacts } from "./safety.ts";

/**
 * Facts from this process's view of the file system. The device is the one that `stat` shows; btrfs shows another than
 * the superblock's, so there a rule's `inodes` need the kernel's own answer in place of `identity`.
 */
export const hostFacts: HostFacts = { realpath, identity, below };

/** The program and libraries that PID 1 has mapped now; empty where `/proc/1` cannot be read. */
export function mappedByInit(): readonly Essential[] {
  const paths = new Set([
    ...attempt(() => [readlinkSync("/proc/1/exe")]) ?? [],
    ...mappedFiles("/proc/1/maps"),
  ]);
  return [...paths].map((path) => programFile(path, "a file that PID 1 runs"));
}

/** The device numbers in a `st_dev`, as the C library packs them. */
export function deviceNumbers(dev: bigint): Pick<FileIdentity, "major" | "minor"> {
  return {
    major: Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)),
    minor: Number((dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)),
  };
}

function realpath(path: string): string | undefined {
  return ifThere(path, () => realpathSync(path));
}

function identity(path: string): FileIdentity | undefined {
  return ifThere(path, () => {
    const { dev, ino } = statSync(path, { bigint: true });
    return { ...deviceNumbers(dev), ino };
  });
}

/** Breadth first, so that what is cut off is what lies deepest; symbolic links are not followed. */
function below(directory: string): readonly string[] {
  const found: string[] = [];
  const folders = [directory];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    const entries = attempt(() => readdirSync(folder ?? "", { withFileTypes: true })) ?? [];
    for (const entry of entries) {
      if (found.length >= MAX_BELOW) return found;
      found.push(`${folder}/${entry.name}`);
      if (entry.isDirectory()) folders.push(`${folder}/${entry.name}`);
    }
  }
  return found;
}

/** A host's PAM modules and the agent's own files are some hundreds. */
const MAX_BELOW = 2000;

/** Most paths of a large policy may not be there, and an exception costs ten times what this look does. */
function ifThere<T>(path: string, ask: () => T): T | undefined {
  return existsSync(path) ? attempt(ask) : undefined;
}

function mappedFiles(maps: string): readonly string[] {
  const lines = attempt(() => readFileSync(maps, "utf8").split("\n")) ?? [];
  // Only what is mapped executable: the locale archive and the like are no loss.
  return lines.flatMap((line) => {
    const path = line.match(/^\S+ ..x. \S+ \S+ \d+\s+(\/.*)$/)?.[1];
    return path === undefined || path.endsWith(" (deleted)") ? [] : [path];
  });
}

/** The result, or undefined where the host does not give it: the check then goes by names alone. */
function attempt<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
