import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { HealthReport } from "../agent/api.ts";
import { CommandError } from "./failure.ts";
import { health, type HealthOptions, type HealthProbes } from "./health.ts";
import type { HealthView } from "./health_view.ts";
import type { Pinned } from "./pinned.ts";
import { FakeAgent, healthReport, TestHost } from "./test_support.ts";
import type { CanarySeen } from "./unattended.ts";

function probes(canary: CanarySeen, pinned: Pinned = { kind: "none" }): HealthProbes & { tried: string[] } {
  const tried: string[] = [];
  return {
    tried,
    tryCanary: (path) => {
      tried.push(path);
      return Promise.resolve(canary);
    },
    readPinned: () => Promise.resolve(pinned),
  };
}

async function attended(
  report: HealthReport,
  canary: CanarySeen,
  options: HealthOptions = {},
): Promise<{ exit: number; view: HealthView; tried: readonly string[] }> {
  using host = new TestHost();
  await using _agent = new FakeAgent(host, () => report);
  const looks = probes(canary);
  const exit = await health({ ...options, json: true }, host.context, looks);
  return { exit, view: JSON.parse(host.out), tried: looks.tried };
}

async function unattended(pinned: Pinned, canary: CanarySeen): Promise<{ exit: number; view: HealthView }> {
  using host = new TestHost();
  const exit = await health({ json: true }, host.context, probes(canary, pinned));
  return { exit, view: JSON.parse(host.out) };
}

const PINNED: Extract<Pinned, { kind: "complete" }> = {
  kind: "complete",
  backend: "lsm",
  policy: { name: "web-tier", serial: 7, sha256: "ab".repeat(32), rules: 12, enforce: true },
  stopped_s: 0,
};

Deno.test("health() ends with 0 when the agent is healthy and the canary is refused", async () => {
  const { exit, view, tried } = await attended(healthReport(), "refused");
  equal(exit, 0);
  deepEqual(tried, ["/run/aegisbpf/canary"]);
  equal(view.ok, true);
  deepEqual(view.checks.at(-1), {
    name: "canary_by_command",
    ok: true,
    detail: "refused with EPERM, as it must be",
  });
  equal("canary" in view, false);
});

Deno.test("health() does not believe the agent when the canary is opened", async () => {
  const { exit, view } = await attended(healthReport(), "opened");
  equal(exit, 1);
  equal(view.ok, false);
  equal(view.posture, "off");
  match(view.reasons.at(-1) ?? "", /claims enforce, but its canary \/run\/aegisbpf\/canary was opened/);
});

Deno.test("health() ends with 1 when the canary cannot be tried", async () => {
  const { exit, view } = await attended(healthReport(), { reason: "openat: no such file" });
  equal(exit, 1);
  equal(view.posture, "enforce");
  match(view.reasons.join(), /the canary cannot be tried: openat: no such file/);
  const { canary: _, ...without } = healthReport();
  equal((await attended(without, "refused")).exit, 1);
});

Deno.test("health() leaves the canary alone when the agent does not claim to enforce", async () => {
  const { exit, tried } = await attended(healthReport({ posture: "audit" }), "opened");
  equal(exit, 0);
  deepEqual(tried, []);
});

Deno.test("health() ends with 1 in any posture but enforce when that is required", async () => {
  const { exit, view } = await attended(healthReport({ posture: "degraded" }), "opened", {
    requireEnforce: true,
  });
  equal(exit, 1);
  equal(view.ok, false);
  equal(view.reasons.at(-1), "posture degraded, and --require-enforce asks for enforce");
  equal((await attended(healthReport(), "refused", { requireEnforce: true })).exit, 0);
});

Deno.test("health() ends with 1 in posture off, whatever the agent says of it", async () => {
  equal((await attended(healthReport({ posture: "off", ok: true }), "opened")).exit, 1);
});

Deno.test("health() reports off when no agent runs and nothing is pinned", async () => {
  const { exit, view } = await unattended({ kind: "none" }, "opened");
  equal(exit, 1);
  equal(view.posture, "off");
  equal(view.agent, null);
  equal(view.policy, null);
  match(view.reasons[0] ?? "", /no agent is running/);
  equal(view.kernel.release, Deno.osRelease());
});

Deno.test("health() reports enforce, unattended, when pins are in place and the canary is refused", async () => {
  const { exit, view } = await unattended(PINNED, "refused");
  equal(exit, 1);
  equal(view.ok, false);
  equal(view.posture, "enforce");
  equal(view.backend, "lsm");
  deepEqual(view.policy, {
    name: "web-tier",
    serial: 7,
    sha256: "ab".repeat(32),
    signer: null,
    rules: 12,
    waiting: null,
  });
  using host = new TestHost();
  await health({}, host.context, probes("refused", PINNED));
  match(
    host.out,
    /^enforce, unattended: 12 rules of web-tier \(serial 7\) by lsm\n {2}- no agent is running/,
  );
});

Deno.test("health() looks at the pins when the agent answers nonsense", async () => {
  using host = new TestHost();
  await using _agent = new FakeAgent(host, () => new Response("?"));
  equal(await health({}, host.context, probes("refused", PINNED)), 1);
  match(host.out, /^enforce, unattended: .*\n {2}- the answer at .* is not one of an agent of this version/);
});

Deno.test("health() cannot tell when the pins cannot be looked at", async () => {
  using host = new TestHost();
  const pinned: Pinned = { kind: "unknown", reason: "permission denied at /sys/fs/bpf; run this as root" };
  await rejects(
    health({ json: true }, host.context, probes("opened", pinned)),
    (error) => error instanceof CommandError && error.exit === 2 && /run this as root/.test(error.message),
  );
  equal(host.out, "");
});
