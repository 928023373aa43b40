import assert from "node:assert/strict";
import { BpfMap } from "./map.ts";
import { BpfObject } from "./object.ts";
import { testRun } from "./program.ts";
import { RingBuffer } from "./ring_buffer.ts";
import { compile, openDescriptors, u32 } from "./test_support.ts";

const bytes = compile("records");

/** The loaded test object, its ring buffer and its counters. */
class Fixture implements Disposable {
  readonly #object = BpfObject.open(bytes, "records");
  readonly ring: RingBuffer;
  readonly #counters: ArrayBuffer;
  readonly emitByHand: () => number;

  constructor(discardEvery = 0) {
    this.#object.variable("discard_every").setInitialValue(u32(discardEvery));
    this.#object.load();
    this.ring = new RingBuffer(this.#object.map("records").fd);
    using bss = this.#object.map(".bss").open();
    using memory = bss.mmap();
    this.#counters = memory.buffer;
    const { fd } = this.#object.program("by_hand");
    this.emitByHand = () => testRun(fd).result;
  }

  attach(): Disposable {
    return this.#object.program("on_system_call").attach();
  }

  set target(pid: number) {
    const { offset } = this.#object.variable("target");
    Atomics.store(new Uint32Array(this.#counters, offset, 1), 0, pid);
  }

  counter(name: "emitted" | "dropped" | "discarded"): number {
    return Number(new DataView(this.#counters).getBigUint64(this.#object.variable(name).offset, true));
  }

  [Symbol.dispose](): void {
    this.ring[Symbol.dispose]();
    this.#object[Symbol.dispose]();
  }
}

function sequence(record: DataView): number {
  assert.equal(record.byteLength, record.getUint32(8, true) === 20 ? 20 : 64);
  return Number(record.getBigUint64(0, true));
}

Deno.test("RingBuffer.drain() gives each record once and in order, round and round the buffer", () => {
  using fixture = new Fixture();
  const { ring } = fixture;
  assert.equal(ring.size, 64 * 1024);
  let next = 0;
  for (let round = 0; round < 100; round++) {
    for (let index = 0; index < 97; index++) assert.equal(fixture.emitByHand(), 7);
    assert.ok(ring.pending() > 97 * 28);
    assert.equal(ring.drain((record) => assert.equal(sequence(record), next++)), 97);
    assert.equal(ring.pending(), 0);
    assert.equal(ring.drain(() => assert.fail()), 0);
  }
  assert.equal(next, 9700);
  assert.equal(fixture.counter("dropped"), 0);
});

Deno.test("RingBuffer.drain() stops at max and goes on from there", () => {
  using fixture = new Fixture();
  for (let index = 0; index < 10; index++) fixture.emitByHand();
  const seen: number[] = [];
  assert.equal(fixture.ring.drain((record) => seen.push(sequence(record)), 4), 4);
  assert.equal(fixture.ring.drain((record) => seen.push(sequence(record)), 0), 0);
  assert.equal(fixture.ring.drain((record) => seen.push(sequence(record))), 6);
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("RingBuffer.drain() passes over records that were discarded", () => {
  using fixture = new Fixture(3);
  for (let index = 0; index < 7; index++) fixture.emitByHand();
  const seen: number[] = [];
  assert.equal(fixture.ring.drain((record) => seen.push(sequence(record))), 5);
  assert.deepEqual(seen, [0, 1, 3, 4, 6]);
  assert.equal(fixture.ring.pending(), 0);
});

Deno.test("RingBuffer.drain() throws what the callback throws and counts that record as taken", () => {
  using fixture = new Fixture();
  for (let index = 0; index < 3; index++) fixture.emitByHand();
  assert.throws(() =>
    fixture.ring.drain(() => {
      throw new Error("from the callback");
    }), /from the callback/);
  const seen: number[] = [];
  fixture.ring.drain((record) => seen.push(sequence(record)));
  assert.deepEqual(seen, [1, 2]);
});

Deno.test("RingBuffer.drain() throws when its callback calls it", () => {
  using fixture = new Fixture();
  fixture.emitByHand();
  assert.throws(() => fixture.ring.drain(() => fixture.ring.drain(() => {})), TypeError);
});

Deno.test("RingBuffer makes room for the producer when a full buffer is drained", () => {
  using fixture = new Fixture();
  for (let index = 0; fixture.counter("dropped") === 0; index++) {
    assert.ok(index < 10_000);
    fixture.emitByHand();
  }
  const full = fixture.counter("emitted");
  assert.equal(fixture.ring.drain(() => {}), full);
  fixture.emitByHand();
  assert.equal(fixture.counter("dropped"), 1);
  assert.equal(fixture.ring.drain((record) => assert.equal(sequence(record), full)), 1);
});

Deno.test("RingBuffer continues where an earlier consumer stopped", () => {
  using fixture = new Fixture();
  for (let index = 0; index < 5; index++) fixture.emitByHand();
  fixture.ring.drain(() => {}, 2);
  using object = BpfObject.open(bytes, "other");
  object.load();
  using map = object.map("records").open();
  using other = new RingBuffer(map.fd);
  assert.equal(other.drain(() => assert.fail()), 0);
});

Deno.test("RingBuffer.wait() resolves to true when records are there or arrive", async () => {
  using fixture = new Fixture();
  const { ring } = fixture;
  fixture.emitByHand();
  assert.equal(await ring.wait(5000), true);
  ring.drain(() => {});
  const waiting = ring.wait(5000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  fixture.emitByHand();
  assert.equal(await waiting, true);
  assert.equal(ring.drain(() => {}), 1);
});

Deno.test("RingBuffer.wait() resolves to false when the time is over", async () => {
  using fixture = new Fixture();
  const start = performance.now();
  assert.equal(await fixture.ring.wait(30), false);
  assert.ok(performance.now() - start >= 29);
});

Deno.test("RingBuffer.wait() resolves to false when wake() was called before or during it", async () => {
  using fixture = new Fixture();
  const { ring } = fixture;
  ring.wake();
  ring.wake();
  assert.equal(await ring.wait(5000), false);
  const waiting = ring.wait(5000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  ring.wake();
  assert.equal(await waiting, false);
  assert.equal(await ring.wait(1), false);
});

Deno.test("RingBuffer.wait() rejects when another wait is under way", async () => {
  using fixture = new Fixture();
  const waiting = fixture.ring.wait(5000);
  await assert.rejects(fixture.ring.wait(1), TypeError);
  fixture.ring.wake();
  await waiting;
});

Deno.test("RingBuffer ends a wait and closes its descriptors when it is disposed of", async () => {
  using fixture = new Fixture();
  const before = openDescriptors();
  using map = BpfMap.create({ type: 27, name: "ring", keySize: 0, valueSize: 0, maxEntries: 65536 });
  const ring = new RingBuffer(map.fd);
  const waiting = ring.wait(5000);
  ring[Symbol.dispose]();
  ring[Symbol.dispose]();
  assert.equal(await waiting, false);
  assert.throws(() => ring.drain(() => {}), TypeError);
  await assert.rejects(ring.wait(1), TypeError);
  ring.wake();
  assert.equal(openDescriptors(), before + 1);
  assert.equal(fixture.counter("emitted"), 0);
});

Deno.test("RingBuffer throws RangeError when the map is another kind", () => {
  using map = BpfMap.create({ type: 2, name: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
  assert.throws(() => new RingBuffer(map.fd), RangeError);
  assert.throws(() => new RingBuffer(9999), { name: "SystemError" });
});

Deno.test("RingBuffer loses and mixes up nothing while another CPU produces", async () => {
  using fixture = new Fixture(100);
  const { ring } = fixture;
  const child = new Deno.Command("sh", {
    args: ["-c", "read go && exec dd if=/dev/zero of=/dev/null bs=1 count=150000"],
    stdin: "piped",
    stderr: "null",
  }).spawn();
  fixture.target = child.pid;
  using _link = fixture.attach();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode("go\n"));
  await input.close();
  let running = true;
  const ended = child.status.then(() => {
    running = false;
    ring.wake();
  });
  let next = 0;
  let taken = 0;
  const take = (record: DataView) => {
    const number = sequence(record);
    assert.ok(number >= next);
    next = number + 1;
    taken++;
  };
  while (running || ring.pending() > 0) {
    await ring.wait(1000);
    ring.drain(take);
  }
  await ended;
  assert.equal(taken, fixture.counter("emitted") - fixture.counter("discarded"));
  // One round of the buffer at the least; on a single slow CPU most records find it full.
  assert.ok(taken > 1000);
  assert.ok(fixture.counter("emitted") + fixture.counter("dropped") >= 300_000);
});
