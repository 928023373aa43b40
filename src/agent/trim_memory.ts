/**
 * Gives back what is not needed any more: garbage, and what of the executable was only needed once. Those pages stay in
 * the page cache, and are mapped again where they are needed again.
 *
 * @module
 */
import { systemCall } from "../../ffi/syscall.ts";

/** One mapping of a process. */
export interface Mapping {
  readonly start: bigint;
  readonly length: bigint;
}

/**
 * Collects garbage, where the executable was compiled with that at hand, and lets go of the executable's own pages that
 * cannot be lost: those that are the file's, unchanged. Takes some 30 ms.
 */
export function trimMemory(): void {
  (globalThis as { gc?: () => void }).gc?.();
  const executable = Deno.readLinkSync("/proc/self/exe");
  for (const { start, length } of droppable(Deno.readTextFileSync("/proc/self/smaps"), executable)) {
    // What it returns does not matter: without it the agent is only larger.
    systemCall("madvise", start, length, MADV_DONTNEED);
  }
}

/**
 * Trims memory now, and a while after each change of what is in force: putting it there took more than it needs.
 *
 * @param generation Of the set in force
 * @param everyMs How often it looks whether that changed, ms
 */
export function keepTrim(generation: () => unknown, signal: AbortSignal, everyMs = TRIM_MS): void {
  trimMemory();
  let trimmed = generation();
  const timer = setInterval(() => {
    const current = generation();
    if (current !== trimmed) trimMemory();
    trimmed = current;
  }, everyMs);
  signal.addEventListener("abort", () => clearInterval(timer));
}

const TRIM_MS = 10_000;

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
