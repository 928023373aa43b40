import { ok, strictEqual } from "node:assert/strict";
import { decisionEvent } from "./test_support.ts";
import { messageOf, textLine } from "./text.ts";

Deno.test("messageOf() says who did what how often", () => {
  strictEqual(
    messageOf(decisionEvent()),
    "denied read of /srv/tls/key by cat[4711] uid 33 in /web: rule tls-keys",
  );
  strictEqual(
    messageOf(decisionEvent({ action: "audit", count: 12 })),
    "audited read of /srv/tls/key by cat[4711] uid 33 in /web: rule tls-keys (12 times)",
  );
  ok(messageOf(decisionEvent({ action: "rebound" })).startsWith("/srv/tls/key stands for another file now"));
});

Deno.test("textLine() begins with the time and has the event's id", () => {
  strictEqual(
    textLine(decisionEvent()),
    "2026-01-02T03:04:05.000000Z denied read of /srv/tls/key by cat[4711] uid 33 in /web: rule tls-keys [a-0]",
  );
});

Deno.test("textLine() names the executable where it is called otherwise than the command", () => {
  const event = decisionEvent();
  const line = textLine({ ...event, process: { ...event.process, exe: "/usr/bin/python3.11" } });
  ok(line.includes("by cat[4711] (/usr/bin/python3.11) uid 33"), line);
});

Deno.test("textLine() cannot be made to break its line or to drive a terminal", () => {
  const event = decisionEvent();
  const line = textLine({ ...event, file: { ...event.file, path: "/tmp/a\n\x1b[2J\u202e" } });
  ok(line.includes("/tmp/a\\u000a\\u001b[2J\\u202e"), line);
});
