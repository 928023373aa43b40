import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import {
  ensureCanary,
  forgetCanary,
  installCanaryOnly,
  probeCanary,
  provesBackend,
  renewCanary,
  setWithCanary,
  tryCanary,
} from "./canary.ts";
import { AEGIS, RULE } from "./layout.ts";
import { readRule, viewOf } from "./packed.ts";
import { loadAndAttach } from "./state.ts";
import { identity, TestKernel, TestPlaces } from "./test_support.ts";

Deno.test("ensureCanary() makes a file that only its owner reads, and leaves one that is there", () => {
  using places = new TestPlaces();
  const before = Deno.statSync(places.canary);
  strictEqual((before.mode ?? 0) & 0o777, 0o400);
  ensureCanary(places.canary);
  strictEqual(Deno.statSync(places.canary).ino, before.ino);
});

Deno.test("ensureCanary() does not write through a symbolic link", () => {
  using places = new TestPlaces();
  const link = `${places.folder}/link`;
  Deno.symlinkSync("elsewhere", link);
  ensureCanary(link);
  throws(() => Deno.statSync(`${places.folder}/elsewhere`), Deno.errors.NotFound);
});

Deno.test("setWithCanary() begins with a rule that nobody is exempt from", () => {
  const { rules, ruleCount, hooks, admitted } = setWithCanary(identity(7n)).build();
  const { scopes, exceptScopes, ops, flags } = readRule(viewOf(rules));
  deepStrictEqual([ruleCount, rules.length, hooks], [1, RULE.SIZE, []]);
  deepStrictEqual([scopes, exceptScopes, ops], [0n, 0n, 0b111]);
  strictEqual(flags, AEGIS.RULE_ENFORCE | AEGIS.RULE_CANARY);
  deepStrictEqual([...admitted.files], [7n]);
});

Deno.test("probeCanary() sees that the programs notice an open of the canary, and of nothing else", () => {
  using kernel = new TestKernel();
  deepStrictEqual(probeCanary(kernel.state, kernel.canary), { state: "opened", seen: true });
  deepStrictEqual(probeCanary(kernel.state, kernel.file("other")), { state: "opened", seen: false });
});

Deno.test("probeCanary() cannot tell when the canary is gone", () => {
  using kernel = new TestKernel();
  const result = probeCanary(kernel.state, `${kernel.folder}/missing`);
  strictEqual(result.state, "unknown");
  ok(!provesBackend(kernel.state, result));
});

Deno.test("probeCanary() shows programs that are no longer attached", () => {
  using kernel = new TestKernel();
  for (const link of kernel.state.links.values()) link[Symbol.dispose]();
  const result = probeCanary(kernel.state, kernel.canary);
  deepStrictEqual(result, { state: "opened", seen: false });
  ok(!provesBackend(kernel.state, result));
});

Deno.test("provesBackend() asks for a refusal of backends that can refuse, and for a sighting of others", () => {
  let control = { live: 0, emergencyUntilNs: 0n };
  const proves = (backend: "lsm" | "tracepoint", ...args: unknown[]) =>
    provesBackend({ backend, control } as Parameters<typeof provesBackend>[0], args[0] as never);
  ok(proves("lsm", { state: "refused" }));
  ok(!proves("lsm", { state: "opened", seen: true }));
  ok(!proves("tracepoint", { state: "refused" }), "something else refuses");
  ok(proves("tracepoint", { state: "opened", seen: true }));
  ok(!proves("tracepoint", { state: "opened", seen: false }));
  control = { live: AEGIS.LIVE_EMERGENCY, emergencyUntilNs: 1n << 62n };
  ok(proves("lsm", { state: "opened", seen: true }), "nothing is refused during an emergency stop");
  ok(!proves("lsm", { state: "opened", seen: false }));
  control = { ...control, emergencyUntilNs: 1n };
  ok(proves("lsm", { state: "refused" }), "it has ended");
});

Deno.test("tryCanary() says that a file was opened, or why it could not be tried", () => {
  using places = new TestPlaces();
  strictEqual(tryCanary(places.canary), "opened");
  const result = tryCanary(`${places.folder}/missing`);
  ok(typeof result === "object" && result.reason.includes("ENOENT"), JSON.stringify(result));
});

Deno.test("installCanaryOnly() fails when there is no canary", () => {
  using places = new TestPlaces();
  using state = loadAndAttach("tracepoint");
  throws(() => installCanaryOnly(state, `${places.folder}/missing`), { code: "ENOENT" });
  strictEqual(state.control.live, 0);
});

Deno.test("renewCanary() makes the live set name a canary that was made anew", () => {
  using kernel = new TestKernel();
  // Renamed over, so that the new file cannot get the old one's inode number.
  Deno.renameSync(kernel.file("new"), kernel.canary);
  deepStrictEqual(probeCanary(kernel.state, kernel.canary), { state: "opened", seen: false });
  strictEqual(renewCanary(kernel.state, kernel.canary), true);
  deepStrictEqual(probeCanary(kernel.state, kernel.canary), { state: "opened", seen: true });
});

Deno.test("forgetCanary() leaves one canary of two", () => {
  using kernel = new TestKernel();
  const second = kernel.file("second");
  ok(renewCanary(kernel.state, second));
  deepStrictEqual(probeCanary(kernel.state, second), { state: "opened", seen: true });
  ok(forgetCanary(kernel.state, second));
  deepStrictEqual(probeCanary(kernel.state, second), { state: "opened", seen: false });
  deepStrictEqual(probeCanary(kernel.state, kernel.canary), { state: "opened", seen: true });
  strictEqual(forgetCanary(kernel.state, `${kernel.folder}/missing`), false);
});

Deno.test("renewCanary() is false when there is no file, or no set in force", () => {
  using kernel = new TestKernel();
  strictEqual(renewCanary(kernel.state, `${kernel.folder}/missing`), false);
  using empty = loadAndAttach("tracepoint");
  strictEqual(renewCanary(empty, kernel.canary), false);
});
