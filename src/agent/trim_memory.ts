/**
 * Gives back what of the executable was only needed to start: the pages stay in the page cache, and those that are needed
 * again are mapped again.
 *
 * @module
 */
import { systemCall } from "../../ffi/syscall.ts";

/** One mapping of a process. */
export interface Mapping {
  readonly start: bigint;
  readonly length: bigint;
}

/** Lets go of the executable's own pages that cannot be lost: those that are the file's, unchanged. */
export function trimMemory(): void {
  const executable = Deno.readLinkSync("/proc/self/exe");
  for (const { start, length } of droppable(Deno.readTextFileSync("/proc/self/smaps"), executable)) {
    // What it returns does not matter: without it the agent is only larger.
    systemCall("madvise", start, length, MADV_DONTNEED);
  }
}

/** The mappings of a file that are not writable and hold nothing of their own. */
export function droppable(smaps: string, path: string): Mapping[] {
  const found: Mapping[] = [];
  for (const entry of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [, from = "", to = "", access = "", name] =
      /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ +(.*)$/m.exec(entry) ?? [];
    // Relocated pages are the process's own, although they are read-only by now.
    if (name !== path || access[1] !== "-" || !/^Anonymous: +0 kB$/m.test(entry)) continue;
    const start = BigInt(`0x${from}`);
    found.push({ start, length: BigInt(`0x${to}`) - start });
  }
  return found;
}

const MADV_DONTNEED = 4;
