import { equal, ok } from "node:assert/strict";
import { type Attempt, attemptsFor, WAYS } from "../agent/prove_catalogue.ts";
import { exitOf, judge, type Outcome, type ProvedAttempt, reportOf } from "./prove_report.ts";

const attempt: Attempt = { way: "symlink", op: "read", aim: "held", promise: "always" };
const through = { through: true, times: 1 } as const;
const stopped = (code: string) => ({ through: false, step: "open", code }) as const;
const base = { attempt, effect: "deny", control: through, decoy: stopped("EPERM"), decisions: 0 } as const;

Deno.test("judge() says covered only of what was refused with EPERM", () => {
  equal(judge(base).outcome, "covered");
  equal(judge({ ...base, decoy: through }).outcome, "not covered");
  equal(judge({ ...base, decoy: stopped("ENOENT") }).outcome, "cannot tell");
});

Deno.test("judge() says not promised of what went through as documented", () => {
  equal(
    judge({ ...base, attempt: { ...attempt, promise: "never" }, decoy: through }).outcome,
    "not promised",
  );
});

Deno.test("judge() says nothing of a rule when the control does not get through either", () => {
  equal(judge({ ...base, control: stopped("ENOSYS") }).outcome, "not possible here");
  equal(judge({ ...base, control: stopped("ENOENT") }).outcome, "cannot tell");
  const direct: Attempt = { ...attempt, way: "direct" };
  equal(judge({ ...base, attempt: direct, control: stopped("EPERM") }).outcome, "cannot tell");
});

Deno.test("judge() wants a decision counted for each time an audited file was reached", () => {
  const twice = { ...base, effect: "audit", decoy: { through: true, times: 2 } } as const;
  equal(judge({ ...twice, decisions: 2 }).outcome, "covered");
  equal(judge({ ...twice, decisions: 1 }).outcome, "not covered");
  equal(judge({ ...twice, decoy: stopped("EPERM"), decisions: 1 }).outcome, "cannot tell");
});

Deno.test("judge() says covered of a caller whom the rule is not about when nothing happens", () => {
  const other = { ...base, attempt: { ...attempt, aim: "let through" } } as const;
  equal(judge({ ...other, decoy: through }).outcome, "covered");
  equal(judge(other).outcome, "not covered");
  const audited = { ...other, effect: "audit", decoy: through } as const;
  equal(judge(audited).outcome, "covered");
  equal(judge({ ...audited, decisions: 1 }).outcome, "not covered");
});

Deno.test("judge() wants the rule's own signal", () => {
  const signalled = { ...base, attempt: { ...attempt, aim: "signalled" }, signal: "term" } as const;
  equal(judge({ ...signalled, decoy: stopped("SIGTERM") }).outcome, "covered");
  equal(judge(signalled).outcome, "not covered");
  equal(judge({ ...signalled, decoy: stopped("SIGKILL") }).outcome, "cannot tell");
  equal(judge({ ...signalled, decoy: through }).outcome, "not covered");
});

Deno.test("attemptsFor() tries signals only of rules that have one", () => {
  const ways = (signals: boolean) =>
    attemptsFor({ ops: ["read"], kind: "file", backend: "lsm", signals }).map(({ way }) => way);
  ok(ways(true).includes("signal"));
  ok(!ways(false).includes("signal"));
});

Deno.test("exitOf() is 0 only when all that is promised was seen to be covered", () => {
  equal(exit("enforce", "covered", "not promised", "not possible here"), 0);
  equal(exit("enforce", "covered", "not covered", "cannot tell"), 1);
  equal(exit("enforce", "covered", "cannot tell"), 2);
  equal(exit("enforce", "not possible here"), 2);
  equal(exit("degraded", "covered"), 2);
  equal(exit("degraded", "not covered"), 1);
});

Deno.test("attemptsFor() tries each way for the operations that the rule denies, and no other", () => {
  const found = attemptsFor({ ops: ["exec"], kind: "file", backend: "lsm", signals: false });
  ok(found.every(({ op }) => op === "exec"));
  ok(found.some(({ way }) => way === "mmap"));
  ok(!found.some(({ way }) => way === "file handle" || way === "moved out"));
});

Deno.test("attemptsFor() promises less where only system calls are seen", () => {
  const promise = (backend: "lsm" | "tracepoint") =>
    attemptsFor({ ops: ["read"], kind: "file", backend, signals: false }).find(({ way }) =>
      way === "io_uring"
    )?.promise;
  equal(promise("lsm"), "always");
  equal(promise("tracepoint"), "never");
});

Deno.test("WAYS names each way once", () => {
  equal(new Set(WAYS.map(({ name }) => name)).size, WAYS.length);
});

function exit(posture: "enforce" | "degraded", ...outcomes: readonly Outcome[]): number {
  const attempts = outcomes.map((outcome): ProvedAttempt => ({ ...attempt, outcome, detail: "" }));
  return exitOf(reportOf({
    posture,
    backend: "lsm",
    policy: { name: "p", serial: 1 },
    rules: [{
      rule: "r",
      effect: "deny",
      kind: "file",
      target: "/f",
      file_system: "ext4",
      attempts,
    }],
  }));
}
