import { ok, strictEqual } from "node:assert/strict";
import { bootTimeNs } from "../../ffi/clock.ts";
import { RingBuffer } from "../../ffi/ring_buffer.ts";
import { decodeRecord } from "../events/decode.ts";
import { Reporter } from "../events/reporter.ts";
import { readTotals } from "../kernel/counters.ts";
import { fileEntry } from "../kernel/entries.ts";
import { fillIdleSet, switchTo } from "../kernel/sets.ts";
import { AUDIT_READS, LABEL, TestKernel } from "../kernel/test_support.ts";
import { FlowEpochs } from "./flow_epochs.ts";

/** What an agent does with records and flows, and how many decisions its events stand for. */
class Loop implements Disposable {
  readonly ring: RingBuffer;
  reported = 0;
  events = 0;
  readonly #kernel: TestKernel;
  readonly #reporter: Reporter;
  readonly #epochs: FlowEpochs;

  constructor(kernel: TestKernel) {
    this.#kernel = kernel;
    const { maps } = kernel.state;
    this.ring = new RingBuffer(maps.records.fd);
    this.#reporter = new Reporter({
      maps,
      ruleName: () => "watched",
      opName: () => "read",
      policyOf: () => ({ name: "test", serial: 1, sha256: "" }),
      pathOf: () => undefined,
      cgroupPathOf: () => undefined,
      backend: 4,
      bootOffsetNs: () => 0n,
      emit: ({ count }) => {
        this.reported += count;
        this.events++;
      },
    });
    const { state } = kernel;
    const { ring } = this;
    this.#epochs = new FlowEpochs({ state, ring, reporter: this.#reporter, log: () => {}, maxFlows: 0 });
  }

  turn(quietNs = 0n): void {
    const now = bootTimeNs();
    this.ring.drain((view) => this.#reporter.record(decodeRecord(view)));
    this.#reporter.flush();
    this.#epochs.drained();
    this.#epochs.swept(this.#reporter.sweep(now + quietNs, this.#kernel.state.control.coalesceNs));
  }

  [Symbol.dispose](): void {
    this.ring[Symbol.dispose]();
  }
}

Deno.test("every decision is in one event while flows are taken out, also by an agent that takes over", async () => {
  using kernel = new TestKernel();
  const path = kernel.file("watched");
  const builder = kernel.builder();
  builder.add(fileEntry(kernel.identityOf(path), builder.addRule({ ...AUDIT_READS, number: 7 })));
  const set = builder.build();
  switchTo(kernel.state, fillIdleSet(kernel.state, set, LABEL), set);
  kernel.state.control.coalesceNs = 1_000_000n;
  const opens = 20_000;
  const script = `i=0; while [ $i -lt ${opens} ]; do : <"$1"; i=$((i+1)); done`;
  const child = new Deno.Command("dash", { args: ["-c", script, "dash", path] }).spawn();
  let running = true;
  const ended = child.status.then(() => running = false);
  let [reported, events] = [0, 0];
  for (let agents = 0; running || agents < 3; agents++) {
    using loop = new Loop(kernel);
    for (let turn = 0; turn < 20; turn++) {
      loop.turn();
      await new Promise((resolve) => setTimeout(resolve));
    }
    reported += loop.reported;
    events += loop.events;
  }
  await ended;
  using last = new Loop(kernel);
  last.turn(1_000_000_000n);
  strictEqual(reported + last.reported, opens);
  strictEqual([...readTotals(kernel.state.maps)].reduce((sum, { total }) => sum + total, 0n), BigInt(opens));
  ok(events < opens / 2, `${events} events`);
  ok(kernel.state.control.epoch > 5);
});
