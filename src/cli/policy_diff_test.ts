import { deepEqual, equal, match } from "node:assert/strict";
import { FakeAgent, POLICY, TestHost } from "./test_support.ts";

const OTHER = POLICY.replace("serial: 7", "serial: 8").replace(", /srv/tls/cert]", "]")
  .replace("    mode: audit\n", "") + "  - id: more\n    paths: [/srv/more/**]\n";

Deno.test("policy diff says what each key became, with the lines of both files, and ends with 1", async () => {
  using host = new TestHost();
  const [a, b] = [host.file("a.yaml", POLICY), host.file("b.yaml", OTHER)];
  equal(await host.run(`policy diff ${a} ${b}`), 1);
  equal(
    host.out,
    `--- ${a} (web-tier, serial 7)\n+++ ${b} (web-tier, serial 8)\n` +
      "~ serial: 7 -> 8  [A:3 B:3]\n" +
      "- rules.tls-keys.paths: /srv/tls/cert  [A:6]\n" +
      "~ rules.data.mode: audit -> enforce  [A:10 B:7]\n" +
      '+ rules.more: {"paths":["/srv/more/**"],"deny":["read","write","exec"],"mode":"enforce","signal":"none"}  [B:10]\n',
  );
  equal(host.err, "");
  equal(await host.run(`policy diff --json ${a} ${b}`), 1);
  const { same, changes, a: from } = JSON.parse(host.out);
  equal(same, false);
  equal(from.serial, 7);
  deepEqual(changes[1], {
    change: "removed",
    key: "rules.tls-keys.paths",
    entry: "/srv/tls/cert",
    a_line: 6,
  });
});

Deno.test("policy diff ends with 0 where two policies mean the same", async () => {
  using host = new TestHost();
  const [a, b] = [host.file("a.yaml", POLICY), host.file("b.yaml", `# comment\n${POLICY}`)];
  equal(await host.run(`policy diff ${a} ${b}`), 0);
  match(host.out, /mean the same\n$/);
  equal(await host.run(`policy diff --json ${a} ${b}`), 0);
  deepEqual(JSON.parse(host.out).changes, []);
});

Deno.test("policy diff compares with the policy in force", async () => {
  using host = new TestHost();
  const b = host.file("b.yaml", OTHER);
  await using agent = new FakeAgent(host, () => new Response(POLICY));
  equal(await host.run(`policy diff current ${b}`), 1);
  match(host.out, /^--- current \(web-tier, serial 7\)\n/);
  equal(agent.asked[0]?.path, "/v1/policy/source");
  equal(await host.run("policy diff current current"), 0);
});

Deno.test("policy diff says in one line that rules follow the policy's mode", async () => {
  using host = new TestHost();
  const text =
    "version: 1\nname: a\nserial: 1\nmode: audit\nrules:\n- {id: a, paths: [/a]}\n- {id: b, paths: [/b]}\n";
  const [a, b] = [host.file("a.yaml", text), host.file("b.yaml", text.replace("audit", "enforce"))];
  equal(await host.run(`policy diff ${a} ${b}`), 1);
  match(host.out, /~ mode: audit -> enforce {2}\[A:4 B:4\]\n {2}2 rules without a mode of their own follow/);
});

Deno.test("policy diff ends with 4 and every problem of both files where they are not valid", async () => {
  using host = new TestHost();
  const bad = host.file("bad.yaml", POLICY.replace("serial: 7", "serial: x"));
  equal(await host.run(`policy diff ${bad} ${bad}`), 4);
  equal(host.out, "");
  equal(host.err.match(/bad\.yaml:3:9: serial: /g)?.length, 2);
});

Deno.test("policy diff ends with 2 where a file is missing or there is no agent", async () => {
  using host = new TestHost();
  equal(await host.run(`policy diff ${host.root}/none ${host.root}/none`), 2);
  equal(await host.run(`policy diff current ${host.file("a.yaml", POLICY)}`), 2);
  match(host.err, /no agent is running/);
});
