import { deepEqual, equal, match } from "node:assert/strict";
import type { HandExemptionView, HandRuleView } from "../agent/hand_api.ts";
import { FakeAgent, refusal, TestHost } from "./test_support.ts";

const RULE: HandRuleView = {
  id: "hand:1",
  target: "/srv/key",
  deny: ["read", "write"],
  effect: "deny",
  state: "bound",
  identity: "8:1:7:0",
  added: "2026-01-01T00:00:00.000Z",
  expires: "2026-01-01T01:00:00.000Z",
  remaining_s: 3590,
};

const EXEMPT: HandExemptionView = {
  cgroup: "/system.slice/backup.service",
  state: "waiting",
  added: "2026-01-01T00:00:00.000Z",
  expires: null,
  remaining_s: null,
};

Deno.test("deny add sends the target, operations, time and name, and says what holds", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => ({ result: "added", rule: RULE, warnings: ["doubtful"] }));
  equal(await host.run("deny add /srv/key --ops read,write --ttl 1h --id leak --force"), 0);
  equal(
    host.out,
    "added hand:1: deny read,write of /srv/key, 59m50s left, until 2026-01-01T01:00:00.000Z\n",
  );
  equal(host.err, "aegisbpf: warning: doubtful\n");
  equal(agent.asked[0]?.path, "/v1/deny/add");
  deepEqual(JSON.parse(agent.asked[0]?.body ?? ""), {
    target: "/srv/key",
    ops: ["read", "write"],
    ttl_s: 3600,
    id: "leak",
    force: true,
  });
  equal(await host.run("deny add --json key/of/mine"), 0);
  deepEqual(JSON.parse(host.out).rule, RULE);
  deepEqual(JSON.parse(agent.asked[1]?.body ?? ""), { target: `${Deno.cwd()}/key/of/mine` });
  equal(await host.run("deny add 8:1:131074"), 0);
  deepEqual(JSON.parse(agent.asked[2]?.body ?? ""), { target: "8:1:131074" });
});

Deno.test("deny add ends with 2 when an option cannot be understood, and asks nothing", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => ({}));
  for (
    const [line, expected] of [
      ["deny add", /missing required argument/],
      ["deny add /x --ttl 1", /such as 90s, 15m/],
      ["deny add /x --ttl 400d", /from 1s to 366d/],
      ["deny add /x --ops raed", /Did you mean read\?/],
      ["deny add /x --ops read,", /Expected one of/],
      ["deny ad /x", /Did you mean add\?|unknown command/],
    ] as const
  ) {
    equal(await host.run(line), 2, line);
    match(host.err, expected, line);
    equal(host.out, "", line);
  }
  equal(agent.asked.length, 0);
});

Deno.test("deny add ends with the exit code of the agent's refusal", async () => {
  for (const exit of [1, 2, 4, 5] as const) {
    using host = new TestHost();
    await using _agent = new FakeAgent(host, () => refusal(exit, "no"));
    equal(await host.run("deny add /x"), exit);
    equal(host.err, "aegisbpf: no\n");
  }
});

Deno.test("deny remove and list say what is gone and what is there", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(
    host,
    ({ method }) => method === "GET" ? { rules: [RULE] } : { removed: [RULE] },
  );
  equal(await host.run("deny remove hand:1"), 0);
  match(host.out, /^removed hand:1: deny read,write of \/srv\/key/);
  deepEqual(JSON.parse(agent.asked[0]?.body ?? ""), { rule: "hand:1" });
  equal(await host.run("deny list"), 0);
  match(
    host.out,
    /^RULE +EFFECT +OPERATIONS +TARGET +STATE +ENDS\nhand:1 +deny +read,write +\/srv\/key +bound 8:1:7:0/,
  );
  equal(await host.run("deny list --json"), 0);
  deepEqual(JSON.parse(host.out), { rules: [RULE] });
});

Deno.test("allow add, remove and list speak of cgroups", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(
    host,
    ({ method, path }) =>
      method === "GET"
        ? { cgroups: [EXEMPT] }
        : path.endsWith("add")
        ? { result: "renewed", cgroup: EXEMPT, warnings: [] }
        : { removed: EXEMPT },
  );
  equal(await host.run("allow add /system.slice/backup.service --ttl 15m"), 0);
  match(
    host.out,
    /^renewed \/system\.slice\/backup\.service, which does not exist now: exempt, until removed\n/,
  );
  deepEqual(JSON.parse(agent.asked[0]?.body ?? ""), { cgroup: EXEMPT.cgroup, ttl_s: 900 });
  equal(await host.run("allow remove /system.slice/backup.service"), 0);
  equal(host.out, "no longer exempt by hand: /system.slice/backup.service\n");
  equal(await host.run("allow list"), 0);
  match(host.out, /\/system\.slice\/backup\.service +waiting +until removed\n/);
  equal(await host.run("allow list --json"), 0);
  deepEqual(JSON.parse(host.out), { cgroups: [EXEMPT] });
});
