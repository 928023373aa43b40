/**
 * Runs guests beside each other: what they count does not depend on how long it takes.
 *
 * @module
 */

/**
 * Maps items, as many at a time as the machine has processors.
 *
 * @returns The results, in the items' order
 * @throws what the first that failed threw, when those that ran beside it have ended
 */
export async function beside<Item, Result>(
  items: readonly Item[],
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [], failures: unknown[] = [];
  const waiting = items.entries();
  const worker = async () => {
    for (const [index, item] of waiting) {
      try {
        results[index] = await run(item);
      } catch (error) {
        failures.push(error);
      }
      if (failures.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, navigator.hardwareConcurrency) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
