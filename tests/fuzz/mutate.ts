/**
 * Accidents that make one input of another.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Random } from "../../src/policy/testing.ts";

/**
 * An input made from one of `pool` by one to four accidents.
 *
 * @param pieces What the format is made of.
 * @param maxBytes Largest result.
 */
export function mutate(
  random: Random,
  pool: readonly Uint8Array[],
  pieces: readonly string[],
  maxBytes: number,
): Uint8Array {
  let bytes: Uint8Array = random.pick(pool);
  for (let left = 1 + random.below(4); left > 0; left--) {
    const accident = random.pick(ACCIDENTS);
    bytes = accident(bytes, random, { pool, pieces });
  }
  // Now and then a large one: of the same part over and over.
  if (random.below(200) === 0) bytes = repeated(bytes, random, 1 << 20);
  return bytes.subarray(0, maxBytes);
}

interface Stock {
  readonly pool: readonly Uint8Array[];
  readonly pieces: readonly string[];
}

type Accident = (bytes: Uint8Array, random: Random, stock: Stock) => Uint8Array;

const ACCIDENTS: readonly Accident[] = [
  // A bit flips.
  (bytes, random) => {
    const changed = Uint8Array.from(bytes);
    const at = random.below(bytes.length + 1);
    if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
    return changed;
  },
  // Something comes in: a piece of the format, or any byte.
  (bytes, random, { pieces }) => {
    const isByte = pieces.length === 0 || random.below(3) === 0;
    const piece = isByte ? Uint8Array.of(random.below(256)) : Buffer.from(random.pick(pieces));
    return splice(bytes, random.below(bytes.length + 1), 0, piece);
  },
  // Something goes.
  (bytes, random) => splice(bytes, random.below(bytes.length + 1), random.below(9), new Uint8Array()),
  // A part is there twice, elsewhere.
  (bytes, random) => {
    const from = random.below(bytes.length + 1);
    const part = bytes.subarray(from, from + random.below(64));
    return splice(bytes, random.below(bytes.length + 1), 0, part);
  },
  // A part of another input takes the place of one.
  (bytes, random, { pool }) => {
    const other = random.pick(pool);
    const from = random.below(other.length + 1);
    const part = other.subarray(from, from + random.below(256));
    return splice(bytes, random.below(bytes.length + 1), random.below(64), part);
  },
  // The end is missing.
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  // A line goes.
  (bytes, random) => {
    const lines = Buffer.from(bytes).toString("latin1").split("\n");
    lines.splice(random.below(lines.length), 1);
    return Buffer.from(lines.join("\n"), "latin1");
  },
  (bytes, random) => repeated(bytes, random, 1 << 12),
];

function repeated(bytes: Uint8Array, random: Random, most: number): Uint8Array {
  const from = random.below(bytes.length + 1);
  const part = bytes.subarray(from, from + 1 + random.below(32));
  if (part.length === 0) return bytes;
  const times = 1 + random.below(Math.max(1, Math.floor(most / part.length)));
  return splice(bytes, from, 0, Buffer.concat(Array(times).fill(part)));
}

function splice(bytes: Uint8Array, at: number, gone: number, part: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + gone)]);
}
