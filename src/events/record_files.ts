/**
 * The recorder's files: numbered, the highest is written to, the lowest go first. A reader follows by number, so nothing
 * is renamed.
 *
 * @module
 */

/** What the recorder keeps at most, unless it is told otherwise: bytes. */
export const DEFAULT_RECORD_BYTES = 64 << 20;

/** How many files share that. */
export const RECORD_FILES = 8;

/** The folder of recorded events in the state directory. */
export function recordFolder(state: string): string {
  return `${state}/events`;
}

/** The path of a file by its number. */
export function recordPath(folder: string, number: number): string {
  return `${folder}/events-${String(number).padStart(10, "0")}.jsonl`;
}

/**
 * The numbers of the files in a folder, ascending; other names are passed over.
 *
 * @throws As `Deno.readDirSync`.
 */
export function recordNumbers(folder: string): number[] {
  const numbers: number[] = [];
  for (const { name } of Deno.readDirSync(folder)) {
    const digits = /^events-(\d{10})\.jsonl$/.exec(name)?.[1];
    if (digits !== undefined) numbers.push(Number(digits));
  }
  return numbers.sort((a, b) => a - b);
}
