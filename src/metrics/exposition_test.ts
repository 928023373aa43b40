import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { ApplyMetrics } from "./apply_metrics.ts";
import { type AgentFacts, metricsText } from "./exposition.ts";
import type { KernelReading } from "./kernel_reading.ts";

const FACTS: AgentFacts = {
  version: "1.2.3",
  posture: "enforce",
  postures: ["enforce", "off"],
  backend: "lsm",
  degradations: [{ code: "hooks_missing", severity: "warning" }],
  unwritten: [{ sink: "recorder", reason: "no-space", count: 3 }],
  policy: { name: "web", serial: 7, sha256: "ab".repeat(32), rules: 3, waiting: 1 },
  ruleName: (rule) => `r${rule}`,
  opName: (op) => `op${op}`,
  actionName: (action) => `action${action}`,
};

const READING: KernelReading = {
  counters: {
    ...{ DENIED: 5n, AUDITED: 0n, EMITTED: 5n, DELIVERED: 2n, COALESCED: 2n, DROPPED_RING_FULL: 1n },
    ...{ UNTRACKED_RULE: 0n, UNTRACKED_FLOW: 0n, LEARNT: 0n, LEARN_FAILED: 0n, CANARY_SEEN: 9n },
  },
  decisions: [{ rule: 1, op: 0, action: 2, count: 5n }],
  heartbeat: 1_700_000_000.5,
  maps: [{ map: "flows", bytes: 4096, entries: 1, maxEntries: 65536 }, { map: "records" }],
  programs: [],
};

Deno.test("metricsText() has a series for what is there, and none for what is not", async () => {
  const text = await metricsText(READING, FACTS, new ApplyMetrics());
  match(
    text,
    new RegExp(`^aegisbpf_policy_info\\{name="web",serial="7",sha256="${"ab".repeat(32)}"\\} 1$`, "m"),
  );
  match(text, /^aegisbpf_decisions_total\{rule="r1",op="op0",action="action2"\} 5$/m);
  match(text, /^aegisbpf_degradation\{code="hooks_missing",severity="warning"\} 1$/m);
  match(text, /^aegisbpf_heartbeat_timestamp_seconds 1700000000\.5$/m);
  match(text, /^aegisbpf_events_dropped_total\{reason="ring_full"\} 1$/m);
  match(text, /^aegisbpf_events_unwritten_total\{sink="recorder",reason="no-space"\} 3$/m);
  deepStrictEqual([...text.matchAll(/map="(\w+)"/g)].map(([, map]) => map), ["flows", "flows", "flows"]);
  ok(!text.includes("hook_runtime"));
  const none = await metricsText(READING, { ...FACTS, policy: undefined }, new ApplyMetrics());
  ok(!/^aegisbpf_policy_info\{/m.test(none));
  match(none, /^aegisbpf_policy_rules 0$/m);
});

Deno.test("metricsText() has the run time of programs while the kernel keeps it", async () => {
  const programs = [{ program: "lsm_file_open", seconds: 1.5 }];
  const text = await metricsText({ ...READING, programs }, FACTS, new ApplyMetrics());
  match(text, /^aegisbpf_hook_runtime_seconds_total\{program="lsm_file_open"\} 1\.5$/m);
});

Deno.test("metricsText() adds up what further rules decided once there are 10,000 series", async () => {
  const decisions = Array.from({ length: 10_005 }, (_, rule) => ({ rule, op: 0, action: 2, count: 2n }))
    .reverse();
  const text = await metricsText({ ...READING, decisions }, FACTS, new ApplyMetrics());
  const series = text.split("\n").filter((line) => line.startsWith("aegisbpf_decisions_total{"));
  strictEqual(series.length, 10_001);
  ok(series.some((line) => line.startsWith('aegisbpf_decisions_total{rule="r9999"')));
  strictEqual(series.at(-1), 'aegisbpf_decisions_total{rule="(other)",op="op0",action="action2"} 10');
});

Deno.test("ApplyMetrics times only what came into force", async () => {
  const applies = new ApplyMetrics();
  applies.observe("applied", 0.02);
  applies.observe("refused", 20);
  const text = await metricsText(READING, FACTS, applies);
  match(text, /^aegisbpf_policy_apply_total\{result="refused"\} 1$/m);
  match(text, /^aegisbpf_policy_apply_duration_seconds_count 1$/m);
  match(text, /^aegisbpf_policy_apply_duration_seconds_bucket\{le="0\.025"\} 1$/m);
});
