import assert from "node:assert/strict";
import { BpfLoadError, summarizeVerifierLog } from "./load_error.ts";

const FAILURE = { object: "aegis", errno: 22, verifierLog: "", warnings: [] };

Deno.test("summarizeVerifierLog() gives the reason when states and statistics follow or surround it", () => {
  const log = [
    "func#0 @0",
    "0: R1=ctx(off=0,imm=0) R10=fp0",
    "; return *number;",
    "5: (79) r0 = *(u64 *)(r0 +0)",
    "R0 invalid mem access 'map_value_or_null'",
    "processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0",
    "",
  ].join("\n");
  assert.equal(summarizeVerifierLog(log), "R0 invalid mem access 'map_value_or_null'");
});

Deno.test("summarizeVerifierLog() knows the range check of LSM programs", () => {
  const log =
    "9: (95) exit\nAt program exit the register R0 has smin=1 smax=1 should have been in [-4095, 0]\n" +
    "verification time 120 usec\nstack depth 0\nprocessed 10 insns (limit 1000000)\n";
  assert.equal(
    summarizeVerifierLog(log),
    "At program exit the register R0 has smin=1 smax=1 should have been in [-4095, 0]",
  );
});

Deno.test("summarizeVerifierLog() gives the reason before the report when the kernel writes one (7.3)", () => {
  const report = [
    "Verification failed: Register Type Safety: Invalid dereference",
    "Reason:",
    "  R0 may be NULL here (a nullable map value pointer).",
    "Suggestion:",
    "  Add a NULL check before the access.",
    "processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0",
  ];
  const before = [
    "arg#0 reference type('UNKNOWN ') size cannot be determined: -22",
    "7: (79) r0 = *(u64 *)(r0 +0)",
  ];
  const reason = "R0 invalid mem access 'map_value_or_null'";
  assert.equal(summarizeVerifierLog([...before, reason, ...report].join("\n")), reason);
  assert.equal(
    summarizeVerifierLog([...before, ...report].join("\n")),
    "Register Type Safety: Invalid dereference",
  );
});

Deno.test("summarizeVerifierLog() gives undefined when there is no reason in the log", () => {
  assert.equal(summarizeVerifierLog(""), undefined);
  assert.equal(summarizeVerifierLog("0: (b7) r0 = 0\n"), undefined);
});

Deno.test("BpfLoadError names program and reason from libbpf's warnings when there is no log", () => {
  const error = new BpfLoadError({
    ...FAILURE,
    warnings: [
      "prog 'open': failed to find kernel BTF type ID of 'security_x': -3",
      "prog 'open': failed to prepare load attributes: -3",
      "prog 'open': failed to load: -3",
      "failed to load object 'aegis'",
    ],
  });
  assert.equal(error.program, "open");
  assert.match(
    error.summary,
    /failed to (find kernel BTF type ID of 'security_x'|prepare load attributes): -3$/,
  );
});

Deno.test("BpfLoadError falls back on the error number when nobody said anything", () => {
  const error = new BpfLoadError(FAILURE);
  assert.equal(error.message, "BPF object aegis: invalid argument (EINVAL)");
  assert.equal(error.program, undefined);
});
