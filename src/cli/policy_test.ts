import { deepEqual, equal, match } from "node:assert/strict";
import type { ApplyResult, PolicyView } from "../agent/api.ts";
import { parsePolicy } from "../policy/parse.ts";
import { base64, FakeAgent, POLICY, refusal, TestHost } from "./test_support.ts";

const INVALID = "version: 1\nname: web-tier\nserial: x\nbogus: 1\nrules: []\n";
const SUMMARY = { name: "web-tier", serial: 7, sha256: "ab".repeat(32), signer: null, rules: 2, waiting: 1 };

Deno.test("policy validate prints one line and ends with 0 when the policy is valid", async () => {
  using host = new TestHost();
  const path = host.file("p.yaml", POLICY);
  equal(await host.run(`policy validate ${path}`), 0);
  equal(host.out, `${path}: valid: web-tier (serial 7), enforce, 2 rules, 3 paths, 1 inode\n`);
  equal(host.err, "");
});

Deno.test("policy validate tells every problem with its place and ends with 4 when the policy is invalid", async () => {
  using host = new TestHost();
  const path = host.file("p.yaml", INVALID);
  equal(await host.run(`policy validate ${path}`), 4);
  equal(host.out, "");
  const lines = host.err.trimEnd().split("\n");
  equal(lines.length, 2);
  equal(lines[0]?.startsWith(`${path}:3:9: serial: `), true, host.err);
  equal(lines[1]?.startsWith(`${path}:4:1: bogus: `), true, host.err);
});

Deno.test("policy validate --json prints ok and the problems", async () => {
  using host = new TestHost();
  equal(await host.run(`policy validate --json ${host.file("bad.yaml", INVALID)}`), 4);
  const { ok, problems } = JSON.parse(host.out);
  equal(ok, false);
  deepEqual(problems.map(({ line, column }: { line: number; column: number }) => [line, column]), [[3, 9], [
    4,
    1,
  ]]);
  equal(host.err, "");
  equal(await host.run(`policy validate --json ${host.file("good.yaml", POLICY)}`), 0);
  deepEqual(JSON.parse(host.out), { ok: true, problems: [], warnings: [] });
});

Deno.test("policy validate warns of what apply would refuse on this host", async () => {
  using host = new TestHost();
  const path = host.file("p.yaml", POLICY.replace("/srv/data", "/etc/**").replace("    mode: audit\n", ""));
  equal(await host.run(`policy validate ${path}`), 0);
  match(
    host.err,
    /p\.yaml:8:13: rules\[1\]\.paths: warning: rule data: \/etc\/\*\* covers .*\(apply refuses it here without --force\)\n/,
  );
});

const UNREADABLE: readonly (readonly [string, (host: TestHost) => string, RegExp, exit: number])[] = [
  ["is missing", (host) => `${host.root}/none`, /there is no such file/, 2],
  ["is a directory", (host) => host.root, /is a directory/, 2],
  [
    "is writable by everyone",
    (host) => {
      const path = host.file("open.yaml", POLICY);
      Deno.chmodSync(path, 0o666);
      return path;
    },
    /is writable by everyone; chmod go-w/,
    5,
  ],
  [
    "is a symbolic link",
    (host) => {
      const path = `${host.root}/link.yaml`;
      Deno.symlinkSync(host.file("p.yaml", POLICY), path);
      return path;
    },
    /is a symbolic link/,
    5,
  ],
];

for (const [situation, make, expected, exit] of UNREADABLE) {
  Deno.test(`policy validate and apply end with ${exit} when the file ${situation}`, async () => {
    using host = new TestHost();
    const path = make(host);
    for (const command of ["validate", "validate --json", "apply"]) {
      equal(await host.run(`policy ${command} ${path}`), exit);
      equal(host.out, "");
      match(host.err, expected);
      equal(host.err.trimEnd().split("\n").length, 1);
    }
  });
}

Deno.test("policy apply sends the file's bytes and says what happened", async () => {
  using host = new TestHost();
  const path = host.file("p.yaml", POLICY);
  const result: ApplyResult = { applied: true, policy: SUMMARY, warnings: ["rule data: doubtful"] };
  await using agent = new FakeAgent(host, () => result);
  equal(await host.run(`policy apply ${path}`), 0);
  equal(host.out, "applied web-tier (serial 7): 2 rules, 1 path waiting\n");
  equal(host.err, "aegisbpf: warning: rule data: doubtful\n");
  equal(agent.asked[0]?.method, "POST");
  equal(agent.asked[0]?.path, "/v1/policy/apply");
  deepEqual(JSON.parse(agent.asked[0]?.body ?? ""), { source: base64(POLICY), file: path });
});

Deno.test("policy apply says so when nothing was changed", async () => {
  using host = new TestHost();
  const path = host.file("p.yaml", POLICY);
  const result: ApplyResult = { applied: false, policy: { ...SUMMARY, waiting: 0 }, warnings: [] };
  await using agent = new FakeAgent(host, () => result);
  equal(await host.run(`policy apply ${path}`), 0);
  equal(host.out, "unchanged, in force already: web-tier (serial 7): 2 rules\n");
  equal(await host.run(`policy apply --dry-run --force ${path}`), 0);
  equal(host.out, "would apply web-tier (serial 7): 2 rules; nothing was changed\n");
  deepEqual(JSON.parse(agent.asked[1]?.body ?? ""), {
    source: base64(POLICY),
    file: path,
    dry_run: true,
    force: true,
  });
  equal(await host.run(`policy apply --json ${path}`), 0);
  deepEqual(JSON.parse(host.out), result);
});

Deno.test("policy apply tells the problems under the name that was given and ends with 4", async () => {
  using host = new TestHost();
  const path = host.file("p.yaml", POLICY);
  const problem = {
    file: path,
    line: 5,
    column: 3,
    path: "rules[0]",
    message: "wrong",
    expected: "right",
  };
  await using _agent = new FakeAgent(host, () => refusal(4, "not a valid policy: 1 problem", [problem]));
  equal(await host.run(`policy apply ${path}`), 4);
  equal(host.err, `${path}:5:3: rules[0]: wrong; expected right\naegisbpf: not a valid policy: 1 problem\n`);
  equal(host.out, "");
  equal(await host.run(`policy apply --json ${path}`), 4);
  deepEqual(JSON.parse(host.out), { ok: false, problems: [problem] });
});

Deno.test("policy apply ends with the exit code of the agent's refusal", async () => {
  using host = new TestHost();
  const path = host.file("p.yaml", POLICY);
  await using _agent = new FakeAgent(host, () => refusal(5, "serial 6 is lower than 7, which is in force"));
  equal(await host.run(`policy apply ${path}`), 5);
  equal(host.err, "aegisbpf: serial 6 is lower than 7, which is in force\n");
});

const VIEW: PolicyView = {
  ...SUMMARY,
  mode: "enforce",
  generation: 3,
  applied: "2026-11-24T12:00:00.000Z",
  file: "/etc/aegisbpf/policy.yaml",
  rule_list: [{
    id: "tls-keys",
    line: 5,
    mode: "enforce",
    effect: "deny",
    deny: ["read", "write"],
    in: [],
    targets: [
      { target: "/srv/tls/key", line: 6, state: "bound", identity: "8:1:131074:5" },
      { target: "/srv/tls/\x1bcert", line: 6, state: "waiting" },
    ],
  }, { id: "data", line: 7, mode: "audit", effect: "audit", deny: ["read"], in: ["web", "db"], targets: [] }],
  mounts: [
    { rule: "data", path: "/srv/data/disk", state: "covered" },
    { rule: "data", path: "/srv/data/usr", state: "left alone" },
  ],
  allow: { cgroups: ["/system.slice/backup.service"] },
};

Deno.test("policy show prints rules and where their targets stand", async () => {
  using host = new TestHost();
  await using _agent = new FakeAgent(host, () => VIEW);
  equal(await host.run("policy show"), 0);
  equal(
    host.out,
    `web-tier (serial 7), enforce: 2 rules, 1 path waiting
  applied 2026-11-24T12:00:00.000Z from /etc/aegisbpf/policy.yaml, generation 3
  sha256 ${"ab".repeat(32)}, unsigned
  exempt cgroups: /system.slice/backup.service
  mounted below a directory of data: /srv/data/disk, covered
  mounted below a directory of data: /srv/data/usr, left alone, as the host does not run without it

RULE      EFFECT  OPERATIONS  IN          TARGET               STATE
tls-keys  deny    read,write  everywhere  /srv/tls/key         bound 8:1:131074:5
                                          /srv/tls/\\u001bcert  waiting
data      audit   read        web,db
`,
  );
  equal(await host.run("policy show --json"), 0);
  deepEqual(JSON.parse(host.out), VIEW);
});

Deno.test("policy show --source prints what was applied, byte for byte", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => new Response(`# by hand\r\n${POLICY}`));
  equal(await host.run("policy show --source"), 0);
  equal(host.out, `# by hand\r\n${POLICY}`);
  equal(agent.asked[0]?.path, "/v1/policy/source");
});

Deno.test("policy export prints a policy that is the same one, as YAML and as JSON", async () => {
  using host = new TestHost();
  await using _agent = new FakeAgent(host, () => new Response(`# by hand\n${POLICY}`));
  for (const line of ["policy export", "policy export --json"]) {
    equal(await host.run(line), 0);
    const [exported, original] = [parsePolicy(host.out, "exported"), parsePolicy(POLICY, "original")];
    if (!exported.ok || !original.ok) throw new Error(host.out);
    deepEqual(withoutLines(exported.policy), withoutLines(original.policy));
  }
});

Deno.test("policy show ends with 1 when no policy is in force", async () => {
  using host = new TestHost();
  await using _agent = new FakeAgent(host, () => refusal(1, "No policy is in force"));
  equal(await host.run("policy show"), 1);
  equal(host.err, "aegisbpf: No policy is in force\n");
});

Deno.test("policy schema --events prints the schema of events", async () => {
  using host = new TestHost();
  equal(await host.run("policy schema --events"), 0);
  equal(JSON.parse(host.out).title, "aegisbpf event, version 1");
});

Deno.test("policy schema prints JSON Schema", async () => {
  using host = new TestHost();
  equal(await host.run("policy schema"), 0);
  equal(JSON.parse(host.out).$schema, "https://json-schema.org/draft/2020-12/schema");
});

function withoutLines(value: unknown): unknown {
  const text = JSON.stringify(
    value,
    (key, part) => key === "line" ? undefined : typeof part === "bigint" ? `${part}n` : part,
  );
  return JSON.parse(text);
}
