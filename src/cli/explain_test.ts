import { deepEqual, equal, match } from "node:assert/strict";
import type { ExplainReport } from "../agent/api.ts";
import { explainText } from "./explain.ts";
import { styleOf } from "./output.ts";
import { FakeAgent, refusal, TestHost } from "./test_support.ts";

const RULE: ExplainReport["rules"][number] = {
  id: "tls-keys",
  line: 12,
  target: { text: "/etc/shadow", line: 13 },
  by: "file",
  says: "deny",
  decides: true,
  why: ["covers this file, whatever its name: /etc/shadow", "denies read, in scope web"],
};

const REPORT: ExplainReport = {
  decision: "deny",
  op: "read",
  path: "/etc/shadow",
  file: { state: "there", path: "/etc/shadow", identity: "8:1:131074:7", links: 1 },
  caller: { cgroup: { path: "/system.slice/nginx.service", id: "5123" }, uid: 33, exe: null },
  rule: RULE,
  condition: "in scope web",
  notes: [],
  rules: [RULE],
  change: {
    to: "allow",
    steps: ["add /system.slice/nginx.service to except.cgroups of rules[0] (tls-keys)"],
  },
  backend: "lsm",
  policy: { name: "web-tier", serial: 7, file: "/etc/aegisbpf/policy.yaml", generation: 2 },
};

const PLAIN = styleOf(false);

Deno.test("explainText() says it all in its first line", () => {
  equal(
    explainText(REPORT, undefined, PLAIN),
    `deny: read of /etc/shadow by uid 33 in /system.slice/nginx.service: rule tls-keys (policy.yaml:12), in scope web

file: /etc/shadow 8:1:131074:7
rule tls-keys, line 12, its target line 13, decides:
  covers this file, whatever its name: /etc/shadow
  denies read, in scope web
to allow it: add /system.slice/nginx.service to except.cgroups of rules[0] (tls-keys)
policy: web-tier (serial 7) from /etc/aegisbpf/policy.yaml, by lsm
`,
  );
});

Deno.test("explainText() says whether all names were found", () => {
  const report = { ...REPORT, file: { ...REPORT.file, links: 3 } };
  const names = { names: ["/srv/one"], complete: false, reason: "the search was cut off" };
  match(
    explainText(report, names, PLAIN),
    /3 names, others found: 1 \(the search was cut off\)\n {2}\/srv\/one\n/,
  );
});

Deno.test("explainText() makes names printable", () => {
  const report = { ...REPORT, rule: null, rules: [], file: { ...REPORT.file, path: "/a\n\x1b[2Jb" } };
  match(explainText(report, undefined, PLAIN), /^deny: read of \/a\\u000a\\u001b\[2Jb by/);
});

Deno.test("explain asks with everything and ends with 1 when it is denied", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => REPORT);
  equal(await host.run("explain /etc/../etc/shadow --op write --cgroup id:7 --uid 33 --exe /bin/cat"), 1);
  equal(
    agent.asked[0]?.path,
    "/v1/explain?path=%2Fetc%2F..%2Fetc%2Fshadow&op=write&cgroup=id%3A7&uid=33&exe=%2Fbin%2Fcat",
  );
});

Deno.test("explain ends with 0 when it is let through, and prints JSON", async () => {
  using host = new TestHost();
  await using _agent = new FakeAgent(host, () => ({ ...REPORT, decision: "audit" }));
  equal(await host.run("explain /etc/shadow --json"), 0);
  deepEqual(JSON.parse(host.out), {
    ...REPORT,
    decision: "audit",
    other_names: { names: [], complete: true },
  });
});

Deno.test("explain takes a relative path from here", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => REPORT);
  await host.run("explain some/file");
  equal(new URL(`http://x${agent.asked[0]?.path}`).searchParams.get("path"), `${Deno.cwd()}/some/file`);
});

Deno.test("explain ends with 2 when it cannot be told", async () => {
  using host = new TestHost();
  {
    await using _agent = new FakeAgent(host, () => refusal(2, "there is no executable /bin/nothing"));
    equal(await host.run("explain /etc/shadow --exe /bin/nothing"), 2);
    match(host.err, /no executable/);
  }
  equal(await host.run("explain /etc/shadow"), 2);
  match(host.err, /no agent is running/);
});

Deno.test("explain refuses an operation and a uid that are none", async () => {
  using host = new TestHost();
  equal(await host.run("explain /etc/shadow --op raed"), 2);
  match(host.err, /Did you mean read/);
  equal(await host.run("explain /etc/shadow --uid root"), 2);
  match(host.err, /Expected a number/);
});
