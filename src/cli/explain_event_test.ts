import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { ExplainReport } from "../agent/api.ts";
import type { DecisionEvent } from "../events/event.ts";
import { recordFolder, recordPath } from "../events/record_files.ts";
import { decisionEvent } from "../events/test_support.ts";
import { FakeAgent, refusal, TestHost } from "./test_support.ts";

const NOW: ExplainReport = {
  decision: "allow",
  op: "read",
  path: "/srv/tls/key",
  file: { state: "there", path: "/srv/tls/key", identity: "8:1:131074:2", links: 1 },
  caller: { cgroup: { path: "/web", id: "9" }, uid: 33, exe: null },
  rule: null,
  condition: "no rule names it",
  notes: [],
  rules: [],
  change: null,
  backend: "lsm",
  policy: { name: "web-tier", serial: 8, file: null, generation: 3 },
};

function hostWith(...events: DecisionEvent[]): TestHost {
  const host = new TestHost();
  const folder = recordFolder(host.places.state);
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(recordPath(folder, 1), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  return host;
}

Deno.test("explain --event asks the event's question again and says what is otherwise now", async () => {
  using host = hostWith(decisionEvent({ id: "other" }), decisionEvent());
  await using agent = new FakeAgent(host, () => NOW);
  equal(await host.run("explain --event a-0"), 0);
  const asked = new URL(`http://x${agent.asked[0]?.path}`);
  deepEqual(Object.fromEntries(asked.searchParams), {
    path: "/srv/tls/key",
    op: "read",
    cgroup: "/web",
    uid: "33",
    exe: "/usr/bin/cat",
  });
  match(host.out, /^2026-01-02T03:04:05\.000000Z denied read of \/srv\/tls\/key .*\[a-0\]\n/);
  match(host.out, /another file stands at \/srv\/tls\/key now: 8:1:131074:2, it was 8:1:131074:1/);
  match(host.out, /another policy is in force now: web-tier, serial 8/);
  match(host.out, /as the rules stand now, allow: /);
});

Deno.test("explain --event asks again without an executable that is not there", async () => {
  using host = hostWith(decisionEvent());
  await using agent = new FakeAgent(host, ({ path }) => {
    return path.includes("exe=")
      ? refusal(2, "there is no executable /usr/bin/cat")
      : { ...NOW, decision: "deny" };
  });
  equal(await host.run("explain --event a-0 --json"), 1);
  equal(agent.asked.length, 2);
  const { event, now, notes } = JSON.parse(host.out);
  deepEqual([event.id, now.decision], ["a-0", "deny"]);
  match(notes[0], /asked without the executable: there is no executable/);
});

Deno.test("explain --event shows the event without an agent, and ends with 2", async () => {
  using host = hostWith(decisionEvent());
  equal(await host.run("explain --event a-0"), 2);
  match(host.out, /then: rule tls-keys of policy web-tier \(serial 7/);
  match(host.out, /cannot be told: no agent is running/);
});

Deno.test("explain --event ends with 1 where there is no such event, or no records", async () => {
  using host = hostWith(decisionEvent());
  equal(await host.run("explain --event a-1"), 1);
  match(host.err, /no event a-1 is recorded/);
  Deno.removeSync(recordFolder(host.places.state), { recursive: true });
  equal(await host.run("explain --event a-0"), 1);
  match(host.err, /no events are recorded/);
});

Deno.test("explain takes either a path or an event, and options of a question only with a path", async () => {
  using host = new TestHost();
  for (
    const line of [
      "explain",
      "explain /x --event a",
      "explain --event a --op write",
      "explain --event a --uid 3",
    ]
  ) {
    equal(await host.run(line), 2, line);
    ok(host.err.startsWith("aegisbpf: "), host.err);
  }
});
