import { deepEqual, equal, match } from "node:assert/strict";
import type { StatsReport } from "../agent/api.ts";
import { statsText } from "./stats.ts";
import { FakeAgent, TestHost } from "./test_support.ts";

const REPORT: StatsReport = {
  denied: 1204,
  audited: 7,
  events: { emitted: 1211, delivered: 200, coalesced: 1000, dropped: 11 },
};

Deno.test("statsText() aligns numbers and shows that every event is accounted for", () => {
  equal(
    statsText(REPORT),
    `DECISIONS  COUNT
denied      1204
audited        7

events: 1211 emitted = 200 delivered + 1000 coalesced + 11 dropped
`,
  );
});

Deno.test("statsText() says so when the events do not add up", () => {
  const events = { ...REPORT.events, dropped: 0 };
  match(statsText({ ...REPORT, events }), /1211 emitted does not equal 200 delivered/);
});

Deno.test("stats --by asks for the rows and shows them", async () => {
  using host = new TestHost();
  const rows = [
    { key: "tls-keys", op: "read", action: "deny", count: 1204 },
    { key: "data", op: "exec", action: "audit", count: 7 },
  ] as const;
  await using agent = new FakeAgent(host, () => ({ ...REPORT, by: "rule", rows }));
  equal(await host.run("stats --by rule"), 0);
  equal(agent.asked[0]?.path, "/v1/stats?by=rule");
  equal(
    host.out.split("\n\n")[0],
    `RULE      OP    ACTION  COUNT
tls-keys  read  deny     1204
data      exec  audit       7`,
  );
});

Deno.test("stats --json prints the report", async () => {
  using host = new TestHost();
  await using _agent = new FakeAgent(host, () => REPORT);
  equal(await host.run("stats --json"), 0);
  deepEqual(JSON.parse(host.out), REPORT);
});
