import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { probeCanary } from "../kernel/canary.ts";
import { readRuleCounts } from "../kernel/counters.ts";
import { ACTION } from "../kernel/layout.ts";
import { effectOf } from "./in_force.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import { policyBytes, refusalOf, TestInstallation } from "./test_support.ts";

function apply(engine: PolicyEngine, bytes: Uint8Array, options = {}): boolean {
  return engine.apply(engine.check(bytes, "p.yaml", options), options).applied;
}

/** Everything that an apply changes. */
function stateOf({ state, store }: TestInstallation): unknown[] {
  const { control, maps } = state;
  return [
    control.live,
    control.setInfo(0),
    control.setInfo(1),
    store.readCurrent()?.sha256,
    [...maps.rule_names.entries()].length,
  ];
}

Deno.test("apply() puts a policy into force, keeps it, and says so in the kernel", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  const path = host.file("watched");
  strictEqual(String(engine.current), "undefined");
  strictEqual(apply(engine, policyBytes({ serial: 7, paths: [path], name: "web-tier" })), true);
  const { control } = host.state;
  const { name, serial, sha256, enforce } = control.setInfo(control.liveIndex());
  deepStrictEqual([name, serial, enforce], ["web-tier", 7n, false]);
  deepStrictEqual([engine.current?.sha256, host.store.readCurrent()?.sha256], [sha256, sha256]);
  strictEqual(engine.current?.generation, control.setInfo(control.liveIndex()).generation);
  Deno.readTextFileSync(path);
  deepStrictEqual(readRuleCounts(host.state.maps).map(({ rule, action, count }) => [rule, action, count]), [
    [1, ACTION.AUDIT, 1n],
  ]);
  strictEqual(engine.pathOf(host.identityOf(path)), path);
});

Deno.test("apply() changes nothing when the policy is the one in force", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  const bytes = policyBytes({ paths: [host.file("one")] });
  strictEqual(apply(engine, bytes), true);
  const before = stateOf(host);
  strictEqual(apply(engine, bytes), false);
  deepStrictEqual(stateOf(host), before);
});

Deno.test("apply() changes nothing when it only tries", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  apply(engine, policyBytes({ serial: 5, paths: [host.file("one")] }));
  const before = stateOf(host);
  const policy = `version: 1\nname: next\nserial: 6\nrules:\n  - id: new-rule\n    paths: [/nowhere]\n`;
  const dryRun = { dryRun: true };
  const checked = engine.check(new TextEncoder().encode(policy), "p.yaml", dryRun);
  const { inForce, applied } = engine.apply(checked, dryRun);
  deepStrictEqual([applied, inForce.policy.name, inForce.resolution.targets.length], [false, "next", 1]);
  deepStrictEqual(stateOf(host), before);
  strictEqual(engine.current?.policy.serial, 5);
});

Deno.test("check() refuses a policy that is invalid, with every problem, and the old one stays in force", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  apply(engine, policyBytes({ serial: 5, paths: [host.file("one")] }));
  const before = stateOf(host);
  for (const text of ["", "version: 1\n", "{", "version: 1\nname: x\nserial: 0\nrules: []\n"]) {
    const refusal = refusalOf(() => apply(engine, new TextEncoder().encode(text)));
    strictEqual(refusal.exit, 4, text);
    ok(refusal.problems.length > 0, text);
  }
  deepStrictEqual(stateOf(host), before);
});

Deno.test("check() refuses a policy that would lock the host out, unless it is forced", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  const bytes = policyBytes({ paths: [Deno.execPath()], mode: "enforce" });
  const refusal = refusalOf(() => engine.check(bytes, "p.yaml"));
  strictEqual(refusal.exit, 4);
  match(refusal.message, /--force/);
  strictEqual(refusal.problems[0]?.line, 7);
  const { warnings } = engine.check(bytes, "p.yaml", { force: true });
  ok(warnings.some((warning) => warning.includes(Deno.execPath())), warnings.join("\n"));
});

Deno.test("check() takes a policy that would lock the host out when it only audits", () => {
  using host = new TestInstallation();
  const bytes = policyBytes({ paths: [Deno.execPath()], mode: "enforce" });
  host.engine("audit").check(bytes, "p.yaml");
});

Deno.test("check() refuses a policy in which too many rules name one file, when it is applied", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  const path = host.file("popular");
  const rules = Array.from({ length: 17 }, (_, index) => `  - id: r${index}\n    paths: [${path}]\n`).join(
    "",
  );
  const before = stateOf(host).slice(0, 4);
  const text = `version: 1\nname: x\nserial: 1\nmode: audit\nrules:\n${rules}`;
  const refusal = refusalOf(() => apply(engine, new TextEncoder().encode(text)));
  strictEqual(refusal.exit, 4);
  match(refusal.message, /at most 16 rules/);
  deepStrictEqual(stateOf(host).slice(0, 4), before);
});

Deno.test("PolicyEngine tells what the policy asks for, whatever this host can do", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  strictEqual(engine.wantsEnforce, false);
  apply(engine, policyBytes({ serial: 1, paths: [host.file("one")], mode: "enforce" }));
  strictEqual(engine.wantsEnforce, true);
  const audit = host.engine("audit");
  apply(audit, policyBytes({ serial: 1, paths: [host.file("one")], mode: "enforce" }));
  strictEqual(audit.wantsEnforce, false);
});

Deno.test("apply() warns of operations that the backend does not see", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  const rule = `  - id: r\n    paths: [${host.file("one")}]\n    deny: [delete]\n`;
  const text = `version: 1\nname: x\nserial: 1\nmode: audit\nrules:\n${rule}`;
  apply(engine, new TextEncoder().encode(text));
  ok(engine.current?.warnings.some((warning) => /tracepoint does not see: .*inode_unlink/.test(warning)));
});

Deno.test("apply() may be repeated for long: each policy replaces the one before it", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  const path = host.file("watched");
  for (let serial = 1; serial <= 20; serial++) {
    strictEqual(apply(engine, policyBytes({ serial, paths: [path] })), true);
    Deno.readTextFileSync(path);
  }
  deepStrictEqual(readRuleCounts(host.state.maps).map(({ rule, count }) => [rule, count]), [[1, 20n]]);
});

Deno.test("apply() makes the canary anew when its file is gone", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  Deno.removeSync(host.canary);
  apply(engine, policyBytes({ paths: [host.file("one")] }));
  deepStrictEqual(probeCanary(host.state, host.canary), { state: "opened", seen: true });
});

Deno.test("effectOf() is deny only where the rule asks for it and the backend can", () => {
  strictEqual(effectOf({ mode: "enforce" }, "lsm"), "deny");
  strictEqual(effectOf({ mode: "enforce" }, "tracepoint"), "audit");
  strictEqual(effectOf({ mode: "audit" }, "lsm"), "audit");
});
