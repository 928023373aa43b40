/**
 * Files that survive a power cut: either the old content is there or the new, whole.
 *
 * @module
 */
import { dirname } from "node:path";

/** Writes a file of mode 0600: new content to a temporary name, flushed, renamed over the old one, folder flushed. */
export function writeDurably(path: string, content: Uint8Array | string): void {
  stageDurably(path, content).commit();
}

/** Content that is on disk, and takes its name with {@linkcode StagedFile.commit}, which needs no more room. */
export interface StagedFile {
  /** Gives the content its name. */
  commit(): void;
}

/** Writes what {@linkcode writeDurably} does, up to the rename. */
export function stageDurably(path: string, content: Uint8Array | string): StagedFile {
  const bytes = bytesOf(content);
  const temporary = `${path}.new`;
  {
    using file = Deno.openSync(temporary, { write: true, create: true, truncate: true, mode: 0o600 });
    writeAll(file, bytes);
    file.syncSync();
  }
  return {
    commit: () => {
      Deno.renameSync(temporary, path);
      flushFolder(path);
    },
  };
}

/**
 * Adds to the end of a file of mode 0600 and flushes it. Where not all of it can be written nothing is added; a power
 * cut may leave a part.
 */
export function appendDurably(path: string, content: Uint8Array | string): void {
  using file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
  const { size } = file.statSync();
  try {
    writeAll(file, bytesOf(content));
  } catch (error) {
    Deno.truncateSync(path, size);
    throw error;
  }
  file.syncSync();
  if (size === 0) flushFolder(path);
}

/** Cuts a file off after `size` bytes and flushes it. */
export function truncateDurably(path: string, size: number): void {
  using file = Deno.openSync(path, { write: true });
  file.truncateSync(size);
  file.syncSync();
}

/**
 * Renames a damaged file, so that it is kept for whoever looks into it and in nobody's way.
 *
 * @returns Its new path, `PATH.damaged-TIME`.
 */
export function setAside(path: string): string {
  const aside = damagedName(path);
  Deno.renameSync(path, aside);
  flushFolder(path);
  return aside;
}

/** A free name for what is damaged in a file. */
export function damagedName(path: string): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  for (let attempt = 0;; attempt++) {
    const name = `${path}.damaged-${time}${attempt === 0 ? "" : `-${attempt}`}`;
    if (!isThere(name)) return name;
  }
}

/** The bytes of a file; undefined where there is none. */
export function readIfThere(path: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
}

function bytesOf(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

function flushFolder(path: string): void {
  using folder = Deno.openSync(dirname(path));
  folder.syncSync();
}
