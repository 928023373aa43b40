/**
 * The thread in which a target is given one input after the other.
 *
 * @module
 */
import { Random } from "../../src/policy/testing.ts";
import { type FuzzJob, type FuzzReport, HEADER, MAX_INPUT } from "./job.ts";
import { mutate } from "./mutate.ts";
import { TARGETS } from "./targets.ts";

/** Inputs that are kept because something new came of them, and what came of them: texts that name places have no end. */
const MAX_POOL = 2_000;
const MAX_POOLED_BYTES = 8 << 10;

const scope = self as unknown as Worker;
scope.onmessage = async ({ data }: MessageEvent<FuzzJob>) => scope.postMessage(await work(data));

async function work({ target: name, seed, ms, current, shared }: FuzzJob): Promise<FuzzReport> {
  const target = TARGETS[name];
  if (target === undefined) throw new Error(`There is no target ${name}`);
  const random = new Random(seed);
  const pool = [...target.corpus];
  const outcomes = new Set<string>();
  const [counter, bytes] = [new Int32Array(shared), new Uint8Array(shared, HEADER)];
  const end = performance.now() + ms;
  let inputs = 0;
  for (; performance.now() < end; inputs++) {
    const input = inputs < pool.length && inputs < target.corpus.length
      ? random.pick(pool)
      : mutate(random, pool, target.pieces, MAX_INPUT);
    bytes.set(input);
    Deno.writeFileSync(current, input);
    Atomics.store(counter, 1, input.length);
    Atomics.store(counter, 0, inputs + 1);
    try {
      const outcome = await target.run(input);
      if (outcomes.size === MAX_POOL || outcomes.has(outcome)) continue;
      outcomes.add(outcome);
      if (input.length <= MAX_POOLED_BYTES) pool.push(input.slice());
    } catch (error) {
      const failure = error instanceof Error ? error.stack ?? error.message : String(error);
      return { inputs, outcomes: outcomes.size, failure, input };
    }
  }
  return { inputs, outcomes: outcomes.size };
}
