import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { DatagramReceiver } from "../../ffi/test_receiver.ts";
import { decisionEvent } from "../events/test_support.ts";
import { EventOutlets } from "./event_outlets.ts";
import { JournalSink, openEventSink, openRecorder } from "./event_sink.ts";
import { Refusal } from "./refusal.ts";

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-sink-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("openEventSink() appends a line of JSON for each event to a file of mode 0600", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/events`;
    for (const id of ["a", "b"]) {
      const outlets = new EventOutlets([await openEventSink(path)]);
      outlets.emit(decisionEvent({ id, rule: "line\nbreak" }));
      await outlets.close(5000);
      deepStrictEqual(outlets.drops(), []);
    }
    const lines = Deno.readTextFileSync(path).trimEnd().split("\n");
    deepStrictEqual(lines.map((line) => JSON.parse(line).id), ["a", "b"]);
    strictEqual((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("openEventSink() does not wait for the reader of a FIFO", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/fifo`;
    ok(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
    const outlets = new EventOutlets([await openEventSink(path)]);
    outlets.emit(decisionEvent());
    await outlets.close(5000);
    deepStrictEqual(outlets.drops(), []);
  });
});

Deno.test("openEventSink() refuses a place that cannot be written, with 2", async () => {
  await inFolder(async (folder) => {
    for (const path of [folder, `${folder}/missing/events`]) {
      await rejects(openEventSink(path), (error: unknown) => {
        ok(error instanceof Refusal);
        strictEqual(error.exit, 2);
        ok(error.message.includes(path), error.message);
        return true;
      });
    }
  });
});

Deno.test("openEventSink() opens nothing when it is off", async () => {
  const outlets = new EventOutlets([await openEventSink("off")]);
  outlets.emit(decisionEvent());
  await outlets.close(0);
  deepStrictEqual(outlets.checks(), []);
});

Deno.test("the check of a full disk fails while events are lost, and tells how many and why", async () => {
  const outlets = new EventOutlets([await openEventSink("/dev/full")]);
  outlets.emit(decisionEvent());
  outlets.emit(decisionEvent());
  await outlets.close(5000);
  const [check] = outlets.checks();
  deepStrictEqual([check?.name, check?.ok], ["events", false]);
  ok(check?.detail.endsWith("; not written: 2 (no-space)"), check?.detail);
  deepStrictEqual(outlets.drops(), [{ sink: "events", reason: "no-space", count: 2 }]);
});

Deno.test("openRecorder() drops and counts where its folder cannot be made, and throws nothing", async () => {
  await inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    const outlets = new EventOutlets([openRecorder(`${folder}/file/events`, 1 << 20)]);
    outlets.emit(decisionEvent());
    await outlets.close(5000);
    deepStrictEqual(outlets.drops(), [{ sink: "recorder", reason: "failed", count: 1 }]);
    strictEqual(outlets.checks()[0]?.ok, false);
  });
});

Deno.test("JournalSink drops while journald is not there, and sends once it is", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/socket`;
    const sink = new JournalSink(path);
    const event = decisionEvent();
    sink.emit(event, "{}");
    deepStrictEqual(sink.drops.entries(), [["no-receiver", 1]]);
    ok(sink.failure);
    using receiver = new DatagramReceiver(path);
    sink.emit(event, "{}");
    const bytes = receiver.receive();
    ok(new TextDecoder().decode(bytes).includes("\nAEGISBPF_RULE=tls-keys\n"));
    deepStrictEqual([sink.drops.total, sink.failure], [1, undefined]);
    await sink.close();
  });
});

Deno.test("JournalSink does not wait for a journald that does not read", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/socket`;
    using _receiver = new DatagramReceiver(path);
    const sink = new JournalSink(path);
    const started = performance.now();
    for (let i = 0; i < 3000; i++) sink.emit(decisionEvent(), "{}");
    ok(performance.now() - started < 5000);
    deepStrictEqual(sink.drops.entries().map(([reason]) => reason), ["behind"]);
    await sink.close();
  });
});

Deno.test("close() gives up a reader that takes nothing, in time, and counts what it was not given", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/fifo`;
    ok(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
    const outlets = new EventOutlets([await openEventSink(path)]);
    // A FIFO holds 64 KiB, and nobody reads this one.
    for (let i = 0; i < 1000; i++) outlets.emit(decisionEvent());
    const [line] = await outlets.close(50);
    // The write that waits ends once there is room.
    using reader = await Deno.open(path);
    const bytes = new Uint8Array(64 << 10);
    for (let lines = 0; lines < 1000;) {
      lines += bytes.subarray(0, await reader.read(bytes) ?? 0).filter((byte) => byte === 0x0a).length;
    }
    ok(/^events: \d+ events were not written to .*fifo at the end$/.test(line ?? ""), line);
    const [drop] = outlets.drops();
    deepStrictEqual([drop?.sink, drop?.reason], ["events", "behind"]);
    ok((drop?.count ?? 0) > 0 && (drop?.count ?? 0) <= 1000);
  });
});
