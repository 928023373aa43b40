import { deepEqual, equal, match } from "node:assert/strict";
import { libbpf } from "../../ffi/library.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";
import { TestHost } from "./test_support.ts";

// Opened within a test it would count as a leak of that test.
useShippedLibbpf();
libbpf();

function policy(host: TestHost): string {
  const rules =
    `  - {id: key, paths: [${host.root}/key]}\n  - {id: tree, paths: [${host.root}/tree/**], mode: audit}\n`;
  return host.file("p.yaml", `version: 1\nname: sim\nserial: 3\nrules:\n${rules}`);
}

function scene(host: TestHost): void {
  Deno.mkdirSync(`${host.root}/tree`);
  for (const name of ["key", "tree/a", "other"]) host.file(name, name);
}

Deno.test("policy simulate says what would be denied of a list of paths, and ends with 1", async () => {
  using host = new TestHost();
  scene(host);
  const list = host.file(
    "list",
    ["key", "tree/a", "other", "tree/none"].map((name) => `${host.root}/${name}\n`).join(""),
  );
  equal(await host.run(`policy simulate ${policy(host)} --events ${list} --uid 33`), 1, host.err);
  equal(host.err, "");
  const [first, second, , heading, ...rows] = host.out.trimEnd().split("\n");
  equal(first, "1 access would be denied, 2 reported, 1 let through: sim (serial 3) against 4 lines");
  equal(second, "  1 about files that are not there now: judged as if they were made");
  match(heading ?? "", /^ACTION +RULE +OP +CGROUP +EXECUTABLE +COUNT +SUCH AS$/);
  deepEqual(rows.map((row) => row.split(/ +/).slice(0, 6)), [
    ["deny", "key:5", "read", "/", "-", "1"],
    ["audit", "tree:6", "read", "/", "-", "2"],
  ]);
  equal(await host.run(`policy simulate ${policy(host)} --events ${list} --op delete --json`), 0);
  const { denied, allowed, policy: about } = JSON.parse(host.out);
  deepEqual([denied, allowed, about.serial], [0, 4, 3]);
});

Deno.test("policy simulate replays events by their counts", async () => {
  using host = new TestHost();
  scene(host);
  const file = { path: `${host.root}/key`, path_source: "kernel", dev: "0:1", ino: 0, gen: 0 };
  const process = { uid: 0, exe: "/usr/bin/x", cgroup: { id: 1, path: "/a" } };
  const events = [1, 41].map((count) =>
    JSON.stringify({ v: 1, action: "audit", op: "read", file, process, count })
  );
  const log = host.file("events.json", `${events.join("\n")}\n`);
  equal(await host.run(`policy simulate ${policy(host)} --events ${log} --json`), 1, host.err);
  const { rows } = JSON.parse(host.out);
  deepEqual(rows, [{
    action: "deny",
    rule: "key",
    line: 5,
    op: "read",
    cgroup: "/a",
    exe: "/usr/bin/x",
    count: 42,
    files: [`${host.root}/key`],
  }]);
});

Deno.test("policy simulate tells bad lines by their numbers, and judges the others", async () => {
  using host = new TestHost();
  scene(host);
  const log = host.file("log", `${host.root}/other\nnonsense\n\n{"v":1}\n${"x\n".repeat(20)}`);
  equal(await host.run(`policy simulate ${policy(host)} --events ${log}`), 0);
  match(host.out, /^nothing would be denied, 0 reported, 1 let through: .* against 1 line\n$/);
  match(host.err, /log:2: neither an event nor an absolute path\n/);
  match(host.err, /log:4: not an event of version 1: action: /);
  match(host.err, /\naegisbpf: 22 lines could not be judged, of which 10 are shown\n$/);
  equal(await host.run(`policy simulate ${policy(host)} --events ${log} --json`), 0);
  equal(JSON.parse(host.out).bad.count, 22);
});

Deno.test("policy simulate ends with 2 where it cannot be told and 4 where the policy is not valid", async () => {
  using host = new TestHost();
  const good = policy(host);
  const list = host.file("list", "/etc/passwd\n");
  const bad = host.file("bad.yaml", "version: 1\n");
  const cases: readonly (readonly [string, number, RegExp])[] = [
    [`${good} --events ${host.root}/none`, 2, /cannot read .*none/],
    [`${good} --events ${host.root}`, 2, /is a directory, not a log/],
    [`${good} --events ${host.file("junk", "junk\n")}`, 2, /1 line could not be judged/],
    [`${good} --events ${list} --exe /none`, 2, /the caller: there is no executable \/none/],
    [`${good} --events ${list} --cgroup x`, 2, /the caller: Expected a cgroup/],
    [`${good} --events ${list} --uid x`, 2, /Expected a number from 0/],
    [`${good}`, 2, /--events/],
    [`${bad} --events ${list}`, 4, /bad\.yaml:1:1: /],
  ];
  for (const [line, exit, message] of cases) {
    equal(await host.run(`policy simulate ${line}`), exit, host.err);
    match(host.err, message);
  }
});
