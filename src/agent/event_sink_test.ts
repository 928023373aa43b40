import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { decisionEvent } from "../events/test_support.ts";
import { openEventSink } from "./event_sink.ts";
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
      const sink = await openEventSink(path);
      sink.emit(decisionEvent({ id, rule: "line\nbreak" }));
      await sink.close(5000);
      strictEqual(sink.dropped, 0);
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
    const sink = await openEventSink(path);
    sink.emit(decisionEvent());
    await sink.close(5000);
    strictEqual(sink.dropped, 0);
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

Deno.test("openEventSink() takes events to nowhere when it is off", async () => {
  const sink = await openEventSink("off");
  sink.emit(decisionEvent());
  await sink.close(0);
  strictEqual(sink.dropped, 0);
});
