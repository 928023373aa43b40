/**
 * "Did you mean": the nearest of the words that would have been right.
 *
 * @module
 */

/**
 * The candidate nearest to `word`, or undefined if none is near enough to be what was meant: at most one edit for
 * each three letters, or one is a beginning of the other.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  const written = word.slice(0, 64).toLowerCase();
  for (const candidate of candidates) {
    const distance = near(written, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** The distance of two words, or Infinity where they have too little in common. */
function near(word: string, candidate: string): number {
  if (word.length >= 2 && (candidate.startsWith(word) || word.startsWith(candidate))) {
    return Math.abs(word.length - candidate.length) / 4;
  }
  const allowed = Math.max(1, Math.floor(candidate.length / 3));
  if (Math.abs(word.length - candidate.length) > allowed) return Infinity;
  const distance = editDistance(word, candidate);
  return distance <= allowed && distance < candidate.length ? distance : Infinity;
}

/** Damerau's distance (optimal string alignment): insertions, deletions, substitutions and neighbours swapped. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + cost,
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) least = Math.min(least, at(before, column - 2) + 1);
      current.push(least);
    }
    [before, previous] = [previous, current];
  }
  return at(previous, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity;
}
