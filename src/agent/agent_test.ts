import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { DecisionEvent } from "../events/event.ts";
import { Agent } from "./agent.ts";
import { EventOutlets } from "./event_outlets.ts";
import { keepIn, policyBytes, refusalOf, TestInstallation } from "./test_support.ts";

/** An agent that runs, with its events and log. */
class RunningAgent implements AsyncDisposable {
  readonly host = new TestInstallation();
  readonly events: DecisionEvent[] = [];
  readonly logged: string[] = [];
  readonly agent: Agent;
  readonly #running: Promise<void>;

  constructor() {
    const { up, pins, store, places } = this.host;
    this.agent = new Agent({
      up,
      pins,
      store,
      locations: places,
      version: "1.2.3",
      outlets: new EventOutlets([keepIn(this.events)]),
      log: (line) => this.logged.push(line),
    });
    this.#running = this.agent.run();
  }

  apply(paths: readonly string[], serial = 1): void {
    const bytes = policyBytes({ paths, serial, name: "web-tier" });
    this.agent.apply({ bytes, source: "", file: "p.yaml" });
  }

  /** Ends it and waits for what it has yet to report. */
  async end(): Promise<readonly DecisionEvent[]> {
    this.agent.stop();
    await this.#running;
    return this.events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    this.host[Symbol.dispose]();
  }
}

Deno.test("Agent reports every open of a watched file, each counted once", async () => {
  await using running = new RunningAgent();
  const { agent, host } = running;
  const path = host.file("watched");
  running.apply([path]);
  for (let i = 0; i < 100; i++) Deno.readTextFileSync(path);
  const events = await running.end();
  strictEqual(events.reduce((sum, { count }) => sum + count, 0), 100);
  const [event] = events;
  deepStrictEqual(
    [event?.action, event?.op, event?.rule, event?.policy.name, event?.process.pid, event?.backend],
    ["audit", "read", "watched", "web-tier", Deno.pid, "tracepoint"],
  );
  strictEqual(event?.file.path, path);
  const { audited, events: { emitted, delivered, coalesced, dropped }, rows } = agent.stats("rule");
  deepStrictEqual([audited, emitted - delivered - coalesced - dropped], [100, 0]);
  deepStrictEqual(rows, [{ key: "watched", op: "read", action: "audit", count: 100 }]);
});

Deno.test("Agent is healthy with and without a policy, and says what it has", async () => {
  await using running = new RunningAgent();
  const { agent, host } = running;
  const before = agent.health();
  deepStrictEqual([before.ok, before.posture, before.policy], [true, "audit", null]);
  strictEqual(agent.policy(), null);
  strictEqual(refusalOf(() => agent.policySource()).exit, 1);
  running.apply([host.file("one"), `${host.folder}/missing`]);
  const health = agent.health();
  deepStrictEqual([health.ok, health.policy?.rules, health.policy?.waiting], [true, 1, 1]);
  deepStrictEqual([health.agent?.pid, health.agent?.version], [Deno.pid, "1.2.3"]);
  ok((health.agent?.heartbeat_age_s ?? 99) < 30);
  deepStrictEqual(agent.policy()?.rule_list[0]?.targets.map(({ state }) => state), ["bound", "waiting"]);
  match(running.logged.join("\n"), /applied policy web-tier, serial 1, with 1 rules/);
});

Deno.test("Agent is not healthy when a link of its programs is lost", async () => {
  await using running = new RunningAgent();
  for (const link of running.host.state.links.values()) link[Symbol.dispose]();
  const health = running.agent.health();
  strictEqual(health.ok, false);
  ok(health.reasons.some((reason) => reason.startsWith("links: ")), health.reasons.join("\n"));
});

Deno.test("Agent is not healthy when another set is in force than its own", async () => {
  await using running = new RunningAgent();
  running.apply([running.host.file("one")]);
  const { control } = running.host.state;
  control.live = control.liveIndex() ^ 1;
  const { ok: healthy, reasons } = running.agent.health();
  strictEqual(healthy, false);
  ok(reasons.some((reason) => reason.startsWith("generation: ")), reasons.join("\n"));
});

Deno.test("Agent reports that another file stands at a rule's path, and follows it", async () => {
  await using running = new RunningAgent();
  const { agent, host } = running;
  const path = host.file("config");
  running.apply([path]);
  Deno.renameSync(host.file("config.new"), path);
  agent.follow();
  Deno.readTextFileSync(path);
  const events = await running.end();
  deepStrictEqual(events.map(({ action, rule, file }) => [action, rule, file.path]), [
    ["rebound", "watched", path],
    ["audit", "watched", path],
  ]);
});

Deno.test("Agent reports decisions under the policy that made them", async () => {
  await using running = new RunningAgent();
  const path = running.host.file("watched");
  for (let serial = 1; serial <= 3; serial++) {
    running.apply([path], serial);
    running.host.state.control.coalesceNs = 0n;
    Deno.readTextFileSync(path);
  }
  const events = await running.end();
  deepStrictEqual(events.map(({ policy }) => policy.serial), [1, 2, 3]);
});
