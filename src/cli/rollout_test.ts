import { deepEqual, equal, match } from "node:assert/strict";
import type { ApplyResult } from "../agent/api.ts";
import { History } from "../agent/history.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";
import { libbpf } from "../../ffi/library.ts";
import { FakeAgent, POLICY, refusal, TestHost } from "./test_support.ts";

// It stays open until the process ends; opened within a test it would count as a leak of that test.
useShippedLibbpf();
libbpf();

const RESULT: ApplyResult = {
  applied: true,
  policy: { name: "web-tier", serial: 7, sha256: "ab".repeat(32), signer: null, rules: 2, waiting: 0 },
  warnings: [],
};

Deno.test("policy apply --confirm-within sends the seconds and says until when", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => ({ ...RESULT, confirm_within_s: 90 }));
  equal(await host.run(`policy apply --confirm-within 1m30s ${host.file("p.yaml", POLICY)}`), 0);
  equal(JSON.parse(agent.asked[0]?.body ?? "").confirm_within_s, 90);
  match(
    host.out,
    /^applied web-tier .*; it is taken back in 1m30s unless you run aegisbpf policy confirm\n$/,
  );
});

Deno.test("policy apply --confirm-within refuses what is no time or too long", async () => {
  using host = new TestHost();
  for (const time of ["60", "0s", "2d", "soon"]) {
    equal(await host.run(`policy apply --confirm-within ${time} /p.yaml`), 2, time);
    match(host.err, /Expected a time/);
  }
});

Deno.test("policy apply --dry-run prints what would change", async () => {
  using host = new TestHost();
  const covered = Array.from(
    { length: 25 },
    (_, i) => ({ rule: "a", target: `/f${i}`, identity: `8:1:${i}:0` }),
  );
  const plan = {
    rules: { added: ["a"], removed: ["b"], changed: [] },
    covered,
    uncovered: [],
    waiting: [{ rule: "a", target: "/x\u001b" }],
  };
  await using _agent = new FakeAgent(host, () => ({ ...RESULT, applied: false, plan }));
  equal(await host.run(`policy apply --dry-run ${host.file("p.yaml", POLICY)}`), 0);
  deepEqual(host.out.split("\n").slice(0, 7), [
    "would apply web-tier (serial 7): 2 rules; nothing was changed",
    "  rules added: 1",
    "    a",
    "  rules removed: 1",
    "    b",
    "  covered then: 25",
    "    a /f0",
  ]);
  match(host.out, /… and 5 more \(--json has them all\)\n {2}waiting for: 1\n {4}a \/x\\u001b\n$/);
});

Deno.test("policy confirm says what stays, and ends with 1 when nothing waits", async () => {
  using host = new TestHost();
  {
    await using agent = new FakeAgent(host, () => RESULT);
    equal(await host.run("policy confirm"), 0);
    equal(host.out, "confirmed web-tier (serial 7): 2 rules\n");
    equal(agent.asked[0]?.path, "/v1/policy/confirm");
  }
  await using _agent = new FakeAgent(host, () => refusal(1, "No policy waits for confirmation"));
  equal(await host.run("policy confirm --json"), 1);
  deepEqual([host.out, host.err], ["", "aegisbpf: No policy waits for confirmation\n"]);
});

Deno.test("policy rollback asks for the policy before, or for one by its serial", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => RESULT);
  equal(await host.run("policy rollback"), 0);
  equal(host.out, "rolled back to web-tier (serial 7): 2 rules\n");
  equal(await host.run("policy rollback --to 7 --json"), 0);
  deepEqual(agent.asked.map(({ body }) => JSON.parse(body)), [{}, { to: 7 }]);
  for (const serial of ["0", "-1", "x", "1.5", "9007199254740993"]) {
    equal(await host.run(`policy rollback --to=${serial}`), 2, serial);
    match(host.err, /Expected a serial/);
  }
});

Deno.test("policy history shows every entry without an agent, and ends with 1 when one was changed", async () => {
  using host = new TestHost();
  Deno.mkdirSync(host.places.state, { recursive: true });
  equal(await host.run("policy history"), 0);
  const history = new History(host.places.state, undefined, () => {});
  history.append({ what: "apply", result: "done", serial: 6, name: "web\u001b", sha256: "cd".repeat(32) });
  history.append({ what: "apply", result: "refused", serial: 5, exit: 5, reason: "lower" });
  equal(await host.run("policy history"), 0);
  match(host.out, /1 {2}\S+Z {2}apply {2}done .* 6 {2}web\\u001b {2}cdcdcdcdcdcd/);
  match(host.out, /2 {2}\S+Z {2}apply {2}refused .* 5 .*lower/);
  equal(await host.run("policy history --json"), 0);
  const { ok, entries, problems } = JSON.parse(host.out);
  deepEqual([ok, entries.length, problems], [true, 2, []]);
  const path = `${host.places.state}/history.jsonl`;
  Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace('"serial":6', '"serial":9'));
  equal(await host.run("policy history --json"), 1);
  equal(JSON.parse(host.out).ok, false);
  match(host.err, /^aegisbpf: history: entry 1 was changed/);
});
