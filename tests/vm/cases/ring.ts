/** The reader of the events' ring buffer, while several processors fill it at once. */

import { dirname } from "node:path";
import { BpfObject } from "../../../ffi/object.ts";
import { RingBuffer } from "../../../ffi/ring_buffer.ts";
import { type Case, category, check, type Context, equal } from "../guest/case.ts";

/** As in hammer.bpf.c. */
const PRODUCERS = 4;
const LENGTHS = [1, 5, 16, 32];

/** A wait that long, with records there at its end, is one that nobody ended; milliseconds. */
const WAIT_LIMIT = 5000;

/** A reader that waits less often in a second does not keep up. */
const FEW_WAITS = 20;

/** The cases of `ring`. */
export const rings: Case[] = category("ring", [
  {
    name:
      "four processors fill it faster than it is read: every record is whole, once, in order, and counted",
    phases: ["alone"],
    kernels: ["6.12-arm64-bpf"],
    run: async (t) => {
      const { dropped } = await hammer(t, { burst: 8, every: 1, enough: ({ taken }) => taken > 10_000 });
      check(dropped > 0, "it was never full");
    },
  },
  {
    name: "four processors fill it more slowly than it is read: whoever waits for a record is woken",
    phases: ["alone"],
    kernels: ["6.12-arm64-bpf"],
    run: async (t) => {
      await hammer(t, { burst: 1, every: 100, enough: ({ waits }) => waits > 200, eases: true });
    },
  },
]);

/** What has been seen so far. */
interface Seen {
  taken: number;
  /** Waits that began with an empty ring. */
  waits: number;
}

/** How records are written, and for how long. */
interface Hammering {
  /** Records at a time. */
  readonly burst: number;
  /** System calls for each burst. */
  readonly every: number;
  /** When there was enough of it. */
  readonly enough: (seen: Seen) => boolean;
  /** Whether they are written more slowly, and more slowly again, until the reader keeps up with them. */
  readonly eases?: boolean;
}

/** Has four processes fill a ring and reads it, for as long as a race goes on and until there was enough. */
async function hammer(t: Context, hammering: Hammering): Promise<{ dropped: number }> {
  using object = BpfObject.open(Deno.readFileSync(`${dirname(t.guest.nothing)}/hammer.bpf.o`), "hammer");
  object.variable("burst").setInitialValue(new Uint8Array(Uint32Array.of(hammering.burst).buffer));
  object.load();
  using ring = new RingBuffer(object.map("records").fd);
  using variables = object.map(".bss").open();
  using memory = variables.mmap();
  const numbers = (name: string): Uint32Array =>
    new Uint32Array(memory.buffer, object.variable(name).offset, PRODUCERS);
  const children = Array.from(
    { length: PRODUCERS },
    () =>
      new Deno.Command("dd", {
        args: ["if=/dev/zero", "of=/dev/null", "bs=1"],
        stdin: "null",
        stderr: "null",
      }).spawn(),
  );
  const next = new Uint32Array(PRODUCERS);
  try {
    numbers("producers").set(children.map(({ pid }) => pid));
    const every = new Uint32Array(memory.buffer, object.variable("every").offset, 1);
    every[0] = hammering.every;
    using _link = object.program("on_system_call").attach();
    await read(ring, next, Math.max(6, t.guest.raceSeconds) * 1000, hammering, every);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map(({ status }) => status));
  }
  // Nobody writes any more.
  ring.drain((record) => take(record, next));
  equal(ring.pending(), 0, "bytes that are left");
  equal([...next].join(), [...numbers("emitted")].join(), "records taken of each process");
  const dropped = numbers("dropped").reduce((sum, one) => sum + one);
  console.error(`ring: took ${next.reduce((sum, one) => sum + one)} records, ${dropped} found it full`);
  return { dropped };
}

async function read(
  ring: RingBuffer,
  next: Uint32Array,
  ms: number,
  { enough, eases = false }: Hammering,
  every: Uint32Array,
): Promise<void> {
  const start = performance.now();
  const seen = { taken: 0, waits: 0 };
  let second = { end: start + 1000, waits: 0 };
  // The limit of a case ends it where there is never enough.
  while (performance.now() < start + ms || !enough(seen)) {
    if (eases && performance.now() > second.end) {
      if (seen.waits - second.waits < FEW_WAITS) every[0] = 2 * (every[0] ?? 0);
      second = { end: performance.now() + 1000, waits: seen.waits };
    }
    const before = performance.now();
    if (ring.pending() === 0) seen.waits++;
    await ring.wait(WAIT_LIMIT);
    check(
      performance.now() - before < WAIT_LIMIT || ring.pending() < 1000,
      `nobody was told of ${ring.pending()} bytes`,
    );
    seen.taken += ring.drain((record) => take(record, next));
  }
  console.error(`ring: ${seen.waits} waits, at last with records at each ${every[0]} system calls`);
}

/** Holds a record against what its process must have written next. */
function take(record: DataView, next: Uint32Array): void {
  const producer = record.getUint32(0, true), sequence = record.getUint32(4, true);
  equal(sequence, next[producer], `the sequence number of process ${producer}`);
  const length = LENGTHS[sequence & 3] ?? 0;
  equal(record.byteLength, 8 + 4 * length, `the length of record ${sequence} of process ${producer}`);
  const first = Math.imul(sequence * PRODUCERS + producer, 2654435761) >>> 0;
  for (let word = 0; word < length; word++) {
    if (record.getUint32(8 + 4 * word, true) !== (first + word) >>> 0) {
      throw new Error(`Record ${sequence} of process ${producer} is torn at word ${word}`);
    }
  }
  next[producer] = sequence + 1;
}
