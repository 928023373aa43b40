/**
 * Writes the recorder's files: bounded in number and size, synchronised every few seconds, cut back to whole lines after
 * a power cut or a write that failed half way.
 *
 * @module
 */
import { RECORD_FILES, recordNumbers, recordPath } from "../events/record_files.ts";
import type { LineTarget } from "./line_writer.ts";

/** How much is kept. */
export interface RecordLimits {
  /** Bytes of all files together. */
  readonly totalBytes: number;
  /** Default: `RECORD_FILES`. */
  readonly files?: number;
  /** Milliseconds after which what was written is made to survive a power cut. Default: 5000. */
  readonly syncMs?: number;
}

/** The file that is written to, and those before it. */
export class RecordWriter implements LineTarget {
  readonly #folder: string;
  readonly #files: number;
  readonly #fileBytes: number;
  readonly #syncMs: number;
  #file: Deno.FsFile | undefined;
  #size = 0;
  #retry: { readonly at: number; readonly error: unknown } | undefined;
  #syncing: number | undefined;

  /** Nothing is opened before the first write. */
  constructor(folder: string, { totalBytes, files = RECORD_FILES, syncMs = 5000 }: RecordLimits) {
    this.#folder = folder;
    this.#files = files;
    this.#fileBytes = Math.floor(totalBytes / files);
    this.#syncMs = syncMs;
  }

  /**
   * Appends whole lines, as many as a file holds.
   *
   * @returns How many bytes that were.
   * @throws what the system says; nothing of them is kept then.
   */
  async write(lines: Uint8Array): Promise<number> {
    const bytes = this.#firstLines(lines);
    if (this.#retry !== undefined && performance.now() < this.#retry.at) throw this.#retry.error;
    try {
      if (this.#file !== undefined && await isRemoved(this.#file)) this.#closeFile();
      if (this.#file === undefined) await this.#openLast();
      if (this.#size > 0 && this.#size + bytes.length > this.#fileBytes) await this.#rotate();
      await this.#append(bytes);
      this.#retry = undefined;
    } catch (error) {
      this.#retry = { at: performance.now() + RETRY_MS, error };
      throw error;
    }
    this.#syncing ??= setTimeout(() => this.#sync(), this.#syncMs);
    Deno.unrefTimer(this.#syncing);
    return bytes.length;
  }

  /** Makes what was written survive a power cut, and closes the file. */
  async close(): Promise<void> {
    clearTimeout(this.#syncing);
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    try {
      await file.syncData();
    } finally {
      file.close();
    }
  }

  #firstLines(lines: Uint8Array): Uint8Array {
    if (lines.length <= this.#fileBytes) return lines;
    const end = lines.lastIndexOf(NEWLINE, this.#fileBytes - 1);
    return end < 0 ? lines : lines.subarray(0, end + 1);
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const file = this.#file;
    if (file === undefined) throw new Error("Expected an open file");
    try {
      for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
    } catch (error) {
      // Half a line would be glued to the next one; opening the file anew cuts it off where this does not.
      await file.truncate(this.#size).catch(() => this.#closeFile());
      throw error;
    }
    this.#size += bytes.length;
  }

  /** Goes on with the last file: an agent that is restarted again and again must not push out what is kept. */
  async #openLast(): Promise<void> {
    await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const last = recordNumbers(this.#folder).at(-1);
    const path = last === undefined ? undefined : recordPath(this.#folder, last);
    if (path === undefined || !(await Deno.lstat(path)).isFile) return await this.#openNext(last ?? 0);
    const file = await Deno.open(path, { read: true, write: true, append: true });
    try {
      this.#size = await wholeLines(file);
      await file.truncate(this.#size);
    } catch (error) {
      file.close();
      throw error;
    }
    this.#file = file;
  }

  async #rotate(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    try {
      await file?.syncData();
    } finally {
      file?.close();
    }
    await this.#openNext(recordNumbers(this.#folder).at(-1) ?? 0);
  }

  async #openNext(last: number): Promise<void> {
    const numbers = recordNumbers(this.#folder);
    for (const number of numbers.slice(0, Math.max(0, numbers.length - this.#files + 1))) {
      await Deno.remove(recordPath(this.#folder, number));
    }
    this.#file = await Deno.open(recordPath(this.#folder, last + 1), {
      append: true,
      createNew: true,
      mode: 0o600,
    });
    this.#size = 0;
    await syncFolder(this.#folder);
  }

  #sync(): void {
    this.#syncing = undefined;
    // What cannot be written is told by the next write.
    this.#file?.syncData().catch(() => {});
  }

  #closeFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** A folder that went away or cannot be written is looked at again after this time; until then lines are dropped. */
const RETRY_MS = 1000;
const NEWLINE = 0x0a;
const TAIL = 64 << 10;

async function isRemoved(file: Deno.FsFile): Promise<boolean> {
  return (await file.stat()).nlink === 0;
}

/** The size of a file without what follows its last newline: a power cut leaves half a line, or zeros. */
async function wholeLines(file: Deno.FsFile): Promise<number> {
  const { size } = await file.stat();
  const buffer = new Uint8Array(TAIL);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - TAIL);
    await file.seek(start, Deno.SeekMode.Start);
    const part = buffer.subarray(0, end - start);
    for (let read = 0; read < part.length;) {
      const count = await file.read(part.subarray(read));
      if (count === null) return start;
      read += count;
    }
    const newline = part.lastIndexOf(NEWLINE);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return 0;
}

async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}
