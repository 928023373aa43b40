import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { DecisionEvent } from "../events/event.ts";
import { recordFolder, recordPath } from "../events/record_files.ts";
import { decisionEvent } from "../events/test_support.ts";
import { parseSince } from "./since.ts";
import { TestHost } from "./test_support.ts";

/** Appends events, or text as it is, to a file of the recorder. */
function record(host: TestHost, number: number, ...events: (DecisionEvent | string)[]): void {
  const folder = recordFolder(host.places.state);
  Deno.mkdirSync(folder, { recursive: true });
  const lines = events.map((event) => typeof event === "string" ? event : `${JSON.stringify(event)}\n`);
  Deno.writeTextFileSync(recordPath(folder, number), lines.join(""), { append: true });
}

function idsOf(host: TestHost): string[] {
  return host.out.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).id);
}

Deno.test("events shows what is recorded, oldest first, without an agent", async () => {
  using host = new TestHost();
  record(host, 1, decisionEvent({ id: "a" }), decisionEvent({ id: "b", rule: "data" }));
  record(host, 2, decisionEvent({ id: "c" }));
  equal(await host.run("events"), 0);
  equal(host.out.split("\n").length, 4);
  match(host.out, /^2026-01-02T03:04:05\.000000Z denied read of \/srv\/tls\/key by cat\[4711\] .* \[a\]\n/);
  equal(await host.run("events --json"), 0);
  deepEqual(idsOf(host), ["a", "b", "c"]);
  equal(await host.run("events --rule data --format json"), 0);
  deepEqual(idsOf(host), ["b"]);
});

Deno.test("events --json prints each line as it was recorded", async () => {
  using host = new TestHost();
  const event = { ...decisionEvent(), later: 1 };
  record(host, 1, event);
  await host.run("events --json");
  equal(host.out, `${JSON.stringify(event)}\n`);
});

Deno.test("events --since leaves out what was earlier", async () => {
  using host = new TestHost();
  const now = new Date().toISOString().replace("Z", "000000Z");
  record(host, 1, decisionEvent({ id: "old" }), decisionEvent({ id: "new", time: now }));
  for (const since of ["1h", "-1h", "2026-01-02T03:04:06Z"]) {
    equal(await host.run(`events --json --since ${since}`), 0);
    deepEqual(idsOf(host), ["new"], since);
  }
  await host.run("events --json --since 2026-01-02T03:04:05Z");
  deepEqual(idsOf(host), ["old", "new"]);
});

Deno.test("events passes over damaged lines and says how many", async () => {
  using host = new TestHost();
  record(host, 1, '{"v":1,"id":"cut', "\n", decisionEvent({ id: "a" }), '{"v":9}\n', "cut off");
  record(host, 2, decisionEvent({ id: "b" }));
  equal(await host.run("events --json"), 0);
  deepEqual(idsOf(host), ["a", "b"]);
  equal(host.err, "aegisbpf: passed over 3 damaged lines\n");
});

Deno.test("events prints nothing and succeeds where nothing matches; ends with 1 where nothing was recorded", async () => {
  using host = new TestHost();
  equal(await host.run("events"), 1);
  match(host.err, /^aegisbpf: no events are recorded: there is no .*\/events; .*--record off\n$/);
  record(host, 1, decisionEvent());
  equal(await host.run("events --rule other"), 0);
  equal(host.out + host.err, "");
});

Deno.test("events refuses a time or a format that it does not know", async () => {
  using host = new TestHost();
  equal(await host.run("events --since yesterday"), 2);
  match(host.err, /Expected a time as 2026-01-31T12:00:00Z/);
  equal(await host.run("events --format oscf"), 2);
  match(host.err, /Did you mean ocsf\?/);
});

Deno.test("events --format ocsf and ecs print an object a line", async () => {
  using host = new TestHost();
  record(host, 1, decisionEvent({ id: "a" }), decisionEvent({ id: "b" }));
  await host.run("events --format ocsf");
  const ocsf = host.out.trimEnd().split("\n").map((line) => JSON.parse(line));
  deepEqual(ocsf.map(({ class_uid, metadata }) => [class_uid, metadata.uid]), [[1001, "a"], [1001, "b"]]);
  await host.run("events --format ecs");
  const ecs = host.out.trimEnd().split("\n").map((line) => JSON.parse(line));
  deepEqual(ecs.map(({ event }) => event.id), ["a", "b"]);
});

Deno.test("events --follow prints what comes, across files, until its reader goes away", async () => {
  using host = new TestHost();
  record(host, 1, decisionEvent({ id: "a" }));
  let printed = "";
  const output = {
    ...host.context.output,
    out: (data: string | Uint8Array) => printed += data,
    get closed() {
      return printed.includes('"d"');
    },
  };
  const { runCommandLine } = await import("./command_line.ts");
  const ended = runCommandLine(["events", "--follow", "--json"], { ...host.context, output });
  const until = async (text: string) => {
    for (const end = Date.now() + 10_000; !printed.includes(text) && Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    ok(printed.includes(text), text);
  };
  await until('"a"');
  const [first = "", rest = ""] = [...JSON.stringify(decisionEvent({ id: "b" })).split(/(?<=5),/)];
  record(host, 1, first);
  await new Promise((resolve) => setTimeout(resolve, 300));
  record(host, 1, rest === "" ? "\n" : `,${rest}\n`);
  await until('"b"');
  record(host, 2, decisionEvent({ id: "c" }));
  record(host, 3, decisionEvent({ id: "d" }));
  equal(await ended, 0);
  equal(printed.trimEnd().split("\n").length, 4);
});

Deno.test("parseSince() takes RFC 3339, dates and times ago", () => {
  const now = Date.UTC(2026, 0, 10);
  equal(parseSince("1h", now), now - 3_600_000);
  equal(parseSince("-90s", now), now - 90_000);
  equal(parseSince("1w", now), now - 7 * 86_400_000);
  equal(parseSince("2026-01-02T03:04:05Z", now), Date.UTC(2026, 0, 2, 3, 4, 5));
  equal(parseSince("2026-01-02T03:04:05.5+01:00", now), Date.UTC(2026, 0, 2, 2, 4, 5, 500));
  equal(parseSince("2026-01-02", now), new Date(2026, 0, 2).getTime());
  equal(parseSince("2026-01-02 03:04", now), new Date(2026, 0, 2, 3, 4).getTime());
});

Deno.test("parseSince() refuses what is no time", () => {
  for (
    const text of [
      "",
      "h",
      "1y",
      "1.5h",
      "--1h",
      "2026-13-01",
      "2026-02-30",
      "2026-01-02T25:00Z",
      "now",
      "12",
    ]
  ) {
    let refused = false;
    try {
      parseSince(text);
    } catch {
      refused = true;
    }
    ok(refused, text);
  }
});
