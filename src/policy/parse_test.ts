import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { LIMITS } from "./limits.ts";
import type { Rule } from "./model.ts";
import { parsePolicy } from "./parse.ts";
import { formatProblem, type Problem } from "./problem.ts";
import { acceptPolicy } from "./testing.ts";

const HEAD = "version: 1\nname: test\nserial: 1\n";

function refuse(text: string | Uint8Array): readonly Problem[] {
  const result = parsePolicy(text, "p.yaml");
  ok(!result.ok, "expected the policy to be refused");
  return result.problems;
}

function firstRule(text: string): Rule {
  const rule = acceptPolicy(text).rules[0];
  ok(rule);
  return rule;
}

const FULL = `${HEAD}expires: 2027-06-01T00:00:00Z
mode: enforce
scopes:
  web: [/system.slice/nginx.service, "id:5123"]
allow:
  cgroups: [/system.slice/backup.service]
rules:
  - id: tls-keys
    paths: [/etc/ssl/private/**, /etc/shadow]
    inodes:
      - 8:1:131074
      - 8:1:131075:7
    deny: [truncate, read]
    in: [web]
    except: { cgroups: ["id:9"], exe: [/usr/sbin/sshd], uids: [0, 4294967294] }
    mode: audit
    signal: kill
`;

Deno.test("parsePolicy() resolves every key, with the lines", () => {
  deepStrictEqual(acceptPolicy(FULL), {
    version: 1,
    name: "test",
    serial: 1,
    expires: "2027-06-01T00:00:00Z",
    mode: "enforce",
    scopes: [{
      name: "web",
      line: 7,
      cgroups: [
        { kind: "path", path: "/system.slice/nginx.service", line: 7 },
        { kind: "id", id: 5123n, line: 7 },
      ],
    }],
    allow: { cgroups: [{ kind: "path", path: "/system.slice/backup.service", line: 9 }] },
    rules: [{
      id: "tls-keys",
      line: 11,
      paths: [
        { path: "/etc/ssl/private", subtree: true, line: 12 },
        { path: "/etc/shadow", subtree: false, line: 12 },
      ],
      inodes: [
        { major: 8, minor: 1, ino: 131074n, line: 14 },
        { major: 8, minor: 1, ino: 131075n, generation: 7, line: 15 },
      ],
      ops: ["read", "truncate"],
      in: ["web"],
      except: {
        cgroups: [{ kind: "id", id: 9n, line: 18 }],
        exe: [{ path: "/usr/sbin/sshd", line: 18 }],
        uids: [0, 4294967294],
      },
      mode: "audit",
      signal: "kill",
    }],
  });
});

Deno.test("parsePolicy() fills in the defaults", () => {
  const policy = acceptPolicy(`${HEAD}rules: [{ id: a, paths: [/a] }]\n`);
  strictEqual(policy.mode, "enforce");
  deepStrictEqual(policy.allow.cgroups, []);
  deepStrictEqual(policy.rules[0], {
    id: "a",
    line: 4,
    paths: [{ path: "/a", subtree: false, line: 4 }],
    inodes: [],
    ops: ["read", "write", "exec"],
    in: [],
    except: { cgroups: [], exe: [], uids: [] },
    mode: "enforce",
    signal: "none",
  });
  strictEqual("expires" in policy, false);
});

Deno.test("parsePolicy() gives a rule the policy's mode unless it has its own", () => {
  const policy = acceptPolicy(
    `${HEAD}mode: audit\nrules: [{id: a, paths: [/a]}, {id: b, paths: [/a], mode: enforce}]`,
  );
  deepStrictEqual(policy.rules.map(({ mode }) => mode), ["audit", "enforce"]);
});

Deno.test("parsePolicy() hashes the exact bytes", () => {
  const bytes = new TextEncoder().encode(`${HEAD}rules: []  # caf\u00e9\r\n`);
  const result = parsePolicy(bytes, "p.yaml");
  ok(result.ok);
  strictEqual(result.sha256, createHash("sha256").update(bytes).digest("hex"));
});

Deno.test("parsePolicy() reads JSON, also with tabs", () => {
  const json = JSON.stringify(
    { version: 1, name: "j", serial: 2, rules: [{ id: "a", paths: ["/a"] }] },
    null,
    "\t",
  );
  strictEqual(firstRule(json).paths[0]?.line, 9);
});

Deno.test("parsePolicy() drops repeated entries and warns of them", () => {
  const result = parsePolicy(`${HEAD}rules: [{ id: a, paths: [/a, /b, /a], deny: [read, read] }]`, "p.yaml");
  ok(result.ok);
  deepStrictEqual(result.policy.rules[0]?.paths.map(({ path }) => path), ["/a", "/b"]);
  deepStrictEqual(result.policy.rules[0]?.ops, ["read"]);
  deepStrictEqual(result.warnings.map(formatProblem), [
    'p.yaml:4:34: rules[0].paths[2]: "/a" is already in this list',
    'p.yaml:4:52: rules[0].deny[1]: "read" is already in this list',
  ]);
});

Deno.test("parsePolicy() warns of a scope that no rule uses and of an exemption for every process", () => {
  const result = parsePolicy(`${HEAD}scopes: { web: [/a] }\nallow: { cgroups: [/] }\nrules: []`, "p.yaml");
  ok(result.ok);
  deepStrictEqual(result.warnings.map(({ line, path }) => [line, path]), [[4, "scopes.web"], [
    5,
    "allow.cgroups[0]",
  ]]);
});

Deno.test("parsePolicy() tells every problem at once, in the order of the file", () => {
  const problems = refuse(`version: 2
nmae: x
serial: 0
scopes: { web: [/a/] }
rules:
  - id: A
    paths: [a, "/b\\0"]
    deny: []
  - id: b
    inodes: [8:1:0]
    in: [wbe]
  - id: b
  - 7
`);
  deepStrictEqual(problems.map(({ line, column, path }) => `${line}:${column} ${path}`), [
    "1:1 name",
    "1:10 version",
    "2:1 nmae",
    "3:9 serial",
    "4:17 scopes.web[0]",
    "6:9 rules[0].id",
    "7:13 rules[0].paths[0]",
    "7:16 rules[0].paths[1]",
    "8:11 rules[0].deny",
    "10:14 rules[1].inodes[0]",
    "11:10 rules[1].in[0]",
    "12:5 rules[2]",
    "12:9 rules[2].id",
    "13:5 rules[3]",
  ]);
});

Deno.test("parsePolicy() reports at most a bounded number of problems", () => {
  const problems = refuse(HEAD + "rules:\n" + "  - { id: A, paths: [a], x: 1 }\n".repeat(5000));
  strictEqual(problems.length, LIMITS.problems + 1);
  ok(/^there are \d+ more problems in this file$/.test(problems.at(-1)?.message ?? ""));
});

Deno.test("parsePolicy() takes 10,000 rules and the largest numbers", () => {
  const rules = Array.from({ length: 10_000 }, (_, i) => `  - { id: r${i}, paths: [/srv/${i}] }\n`).join("");
  strictEqual(
    acceptPolicy(`version: 1\nname: big\nserial: ${Number.MAX_SAFE_INTEGER}\nrules:\n${rules}`).rules.length,
    10_000,
  );
});
