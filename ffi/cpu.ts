/**
 * How many CPUs the kernel lays out per-CPU values for.
 *
 * @module
 */

/** Number of possible CPUs: those that are there and those that may be plugged in while the system runs. */
export function possibleCpus(): number {
  return count ??= countCpus(Deno.readTextFileSync("/sys/devices/system/cpu/possible"));
}

/**
 * Number of CPUs in a list such as `0-3,8`.
 *
 * @throws {RangeError} If it is not such a list.
 */
export function countCpus(list: string): number {
  let total = 0;
  for (const part of list.trim().split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (!(last >= first)) {
      throw new RangeError(`Expected a list of CPUs such as "0-3,8": ${JSON.stringify(list)}`);
    }
    total += last - first + 1;
  }
  return total;
}

let count: number | undefined;
