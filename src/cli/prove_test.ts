import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { systemCall } from "../../ffi/syscall.ts";
import type { PolicyView } from "../agent/api.ts";
import type { ProveBegin } from "../agent/prove_api.ts";
import { cgroupRoot } from "../kernel/host.ts";
import { prove } from "./prove.ts";
import { exitOf } from "./prove_report.ts";
import { FakeAgent, healthReport, refusal, TestHost } from "./test_support.ts";

// The library stays open until the process ends; opened within a test it would count as a leak of that test.
systemCall("close", -1);

const command = [
  Deno.execPath(),
  "run",
  "--quiet",
  "--allow-all",
  "--no-check",
  `${import.meta.dirname}/main.ts`,
];
const ignore = Deno.uid() !== 0 || cgroupRoot() === undefined || !canMakeCgroup();
const EVERYTHING = ["read", "write", "exec", "delete", "rename", "link", "attr", "truncate"];

Deno.test({
  name: "prove() finds every promised way open when the agent says that it enforces and nothing is refused",
  ignore,
  fn: async () => {
    using host = new TestHost();
    const begun: ProveBegin[] = [];
    await using _agent = liar(host, begun);
    const report = await prove(host.context, [], command);
    equal(exitOf(report), 1);
    const attempts = report.rules.flatMap(({ attempts }) => attempts);
    deepEqual(attempts.filter(({ outcome, aim }) => outcome === "covered" && aim !== "let through"), []);
    // Each way gets through where no rule is in the way, on file, subtree and inode alike, or the machine lacks it.
    deepEqual(attempts.filter(({ outcome }) => outcome === "cannot tell"), []);
    ok(report.counts["not covered"] > 150, JSON.stringify(report.counts));
    // All under one lease, as each takes as long as a policy does.
    deepEqual(begun.map(({ rules }) => rules.map(({ rule }) => rule)), [["file", "tree", "inode"]]);
  },
});

Deno.test({
  name: "prove() leaves nothing behind",
  ignore,
  fn: async () => {
    using host = new TestHost();
    const begun: ProveBegin[] = [];
    await using _agent = liar(host, begun);
    await prove(host.context, ["file"], command);
    const [decoy] = begun[0]?.rules[0]?.decoys ?? [];
    ok(decoy?.path.startsWith(`${host.root}/.aegisbpf-prove-`), decoy?.path);
    deepEqual([...Deno.readDirSync(host.root)].filter(({ name }) => name.startsWith(".")), []);
    const [member = ""] = begun[0]?.callers.members ?? [];
    match(member, /^\/aegisbpf-prove-/);
    throws(() => Deno.statSync(`${cgroupRoot()}/${member.split("/")[1]}`), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "prove() cannot tell when the agent refuses to cover decoys",
  ignore,
  fn: async () => {
    using host = new TestHost();
    await using _agent = liar(host, [], refusal(2, "Another prove is running"));
    const report = await prove(host.context, ["file"], command);
    equal(exitOf(report), 2);
    match(report.rules[0]?.attempts[0]?.detail ?? "", /Another prove is running/);
  },
});

Deno.test("prove says which rule there is not", async () => {
  using host = new TestHost();
  await using _agent = liar(host, []);
  equal(await host.run("prove --rule other"), 2);
  match(host.err, /no rule other is in force/);
});

Deno.test("prove cannot tell without an agent", async () => {
  using host = new TestHost();
  equal(await host.run("prove"), 2);
  match(host.err, /no agent is running/);
});

/** An agent that says that it enforces, takes decoys and does nothing. */
function liar(host: TestHost, begun: ProveBegin[], answer?: Response): FakeAgent {
  Deno.mkdirSync(`${host.root}/tree`);
  host.file("secret", "secret");
  return new FakeAgent(host, ({ path, body }) => {
    if (path === "/v1/health") return healthReport();
    if (path === "/v1/policy") return policy(host.root);
    if (path === "/v1/prove/end") return { held: true };
    if (path === "/v1/prove/look") return { held: true, looks: 0, decisions: {} };
    if (answer) return answer;
    const begin: ProveBegin = JSON.parse(body);
    begun.push(begin);
    return { rules: begin.rules.map(({ rule }) => `prove:${rule}`), generation: 2 };
  });
}

function policy(root: string): PolicyView {
  const { dev, ino } = Deno.statSync(`${root}/secret`);
  const device = `${dev >> 8 & 0xfff}:${dev & 0xff | dev >> 12 & 0xfff00}`;
  const rule = (id: string, target: string) => ({
    id,
    line: 1,
    mode: "enforce" as const,
    effect: "deny" as const,
    deny: EVERYTHING,
    in: [],
    targets: [{ target, line: 1, state: "bound" as const }],
  });
  return {
    ...(healthReport().policy ?? { name: "", serial: 1, sha256: "", signer: null, rules: 3, waiting: 0 }),
    mode: "enforce",
    generation: 1,
    applied: "2026-01-01T00:00:00Z",
    file: "policy.yaml",
    rule_list: [
      rule("file", `${root}/secret`),
      rule("tree", `${root}/tree/**`),
      rule("inode", `${device}:${ino}`),
    ],
    allow: { cgroups: [] },
  };
}

function canMakeCgroup(): boolean {
  try {
    const folder = `${cgroupRoot()}/aegisbpf-test-${crypto.randomUUID()}`;
    Deno.mkdirSync(folder);
    Deno.removeSync(folder);
    return true;
  } catch {
    return false;
  }
}
