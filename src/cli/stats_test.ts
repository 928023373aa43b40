import { deepEqual, equal, match } from "node:assert/strict";
import type { StatsReport } from "../agent/api.ts";
import { statsText } from "./stats_view.ts";
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

Deno.test("statsText() shows what was added in a second, also of rows that are new", () => {
  const rows = [
    { key: "a", op: "read", action: "deny", count: 30 },
    { key: "b", op: "read", action: "deny", count: 5 },
  ] as const;
  const before: StatsReport = { ...REPORT, denied: 1200, by: "rule", rows: [{ ...rows[0], count: 10 }] };
  const text = statsText({ ...REPORT, by: "rule", rows }, { report: before, seconds: 2 });
  equal(
    text.split("\n\nevents")[0],
    `RULE  OP    ACTION  COUNT  PER SECOND
a     read  deny       30        10.0
b     read  deny        5         2.5

DECISIONS  COUNT  PER SECOND
denied      1204         2.0
audited        7         0.0`,
  );
});

Deno.test("stats --watch looks again until the agent is gone, and says so", async () => {
  for (const option of ["--watch 0.1", "--watch 0.1 --json"]) {
    using host = new TestHost();
    const agent = new FakeAgent(host, () => {
      if (agent.asked.length === 3) setTimeout(() => agent[Symbol.asyncDispose](), 10);
      return REPORT;
    });
    equal(await host.run(`stats ${option}`), 2);
    equal(agent.asked.length, 3);
    match(host.err, /no agent is running/);
    if (option.includes("json")) {
      deepEqual(host.out.trim().split("\n").map((line) => JSON.parse(line)), Array(3).fill(REPORT));
    } else equal(host.out.match(/events: 1211 emitted/g)?.length, 3);
  }
});

Deno.test("stats refuses a time between looks that is none", async () => {
  using host = new TestHost();
  for (const time of ["0", "-1", "x", "4000"]) {
    equal(await host.run(`stats --watch=${time}`), 2);
    match(host.err, /Expected seconds from 0\.1 to 3600/);
  }
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
