/** Runs the cases of one phase under one agent and reports each. */

import { Act } from "./act.ts";
import { Agent } from "./agent.ts";
import { type Case, type Guest, type Phase, Skip } from "./case.ts";
import { EventLog } from "./events.ts";
import { CaseContext, Shared } from "./setup.ts";

/** One line of a guest's output. */
export interface Report {
  readonly kernel: string;
  /** `bpf` or `none`: whether `bpf` is in the kernel's LSM list. */
  readonly lsm: "bpf" | "none";
  readonly phase: Phase;
  readonly backend: string;
  readonly category: string;
  readonly name: string;
  readonly result: "pass" | "fail" | "skip";
  /** Why it failed or was skipped. */
  readonly reason?: string;
  /** Whether it failed before it began: the case could not be prepared, or its agent did not start. */
  readonly unready?: true;
  readonly ms: number;
}

/** What {@link runPhase} needs. */
export interface PhaseOptions {
  readonly phase: Phase;
  readonly cases: readonly Case[];
  readonly guest: Guest;
  readonly act: Act;
  readonly agent: Agent;
  /** A directory for policies, events and logs. */
  readonly scratch: string;
  readonly report: (report: Report) => void;
}

/** What takes longer hangs, where a case has no limit of its own; milliseconds. */
const CASE_LIMIT = 120_000;

/**
 * Starts the agent and runs the cases under two policies, one after the other: that of all cases that share, and that of
 * the disruptive ones. Nothing of the agent is left behind.
 */
export async function runPhase(options: PhaseOptions): Promise<void> {
  const { phase, guest, act, agent, scratch } = options;
  const events = new EventLog(`${scratch}/${phase}-events.jsonl`);
  const shared = new Shared(phase, guest, act, agent, events, scratch);
  const alone = ({ disruptive = false, whole = false }: Case) => disruptive && !whole;
  const groups = [
    [...options.cases.filter((one) => !one.disruptive), ...options.cases.filter(({ whole }) => whole)],
    options.cases.filter(alone),
  ];
  let count = 0;
  for (const cases of groups) {
    shared.forget();
    const ready = cases.map((one): Ready => ({ one, context: new CaseContext(shared, one, count++) }));
    if (ready.length > 0) await runGroup(options, shared, ready);
  }
  await agent.clear();
}

/** A case and what it gets. */
interface Ready {
  readonly one: Case;
  readonly context: CaseContext;
}

/** Prepares cases, puts their one policy into force and runs them. */
async function runGroup(options: PhaseOptions, shared: Shared, cases: readonly Ready[]): Promise<void> {
  const { phase, guest, agent } = options;
  const broken = new Map<Case, unknown>();
  for (const { one, context } of cases) {
    try {
      await one.prepare?.(context);
    } catch (error) {
      broken.set(one, error);
    }
  }
  const start = phase === "alone" ? undefined : await enforce(shared).catch((error) => error ?? "unknown");
  for (const { one, context } of cases) {
    const before = performance.now();
    let result: Report["result"] = "pass", reason: string | undefined;
    const obstacle = start ?? broken.get(one);
    try {
      if (obstacle !== undefined) throw obstacle;
      await limited(one.run(context), one.limit);
    } catch (error) {
      result = error instanceof Skip ? "skip" : "fail";
      reason = error instanceof Error ? `${error.message}${ownFault(error)}` : String(error);
    }
    if (phase === "alone") await agent.clear();
    else if (result !== "pass" && one.disruptive) await makeWhole(shared);
    options.report({
      kernel: guest.kernel,
      lsm: guest.bpfLsm ? "bpf" : "none",
      phase,
      backend: phase === "enforce" ? guest.backend : phase,
      category: one.category,
      name: one.name,
      result,
      ...(reason === undefined ? {} : { reason }),
      ...(obstacle === undefined ? {} : { unready: true }),
      ms: Math.round(performance.now() - before),
    });
  }
}

/** Puts the policy into force, by the agent that runs or by a first one. */
async function enforce(shared: Shared): Promise<void> {
  const { agent } = shared;
  if (agent.runs) return void await agent.expect(0, "policy", "apply", shared.write({}));
  await agent.clear(); // what is left of one that did not start
  await startAgent(shared);
}

/** The first policy names none of the cases' files, so what they see came through `policy apply`. */
async function startAgent(shared: Shared): Promise<void> {
  const { agent, phase, scratch } = shared;
  Deno.writeTextFileSync(`${scratch}/elsewhere`, "");
  const first = shared.write({ rules: [{ id: "elsewhere", paths: [`${scratch}/elsewhere`] }] });
  await agent.start(
    "--policy",
    first,
    "--events",
    shared.events.path,
    ...(phase === "enforce" ? [] : ["--backend", phase]),
  );
  await agent.expect(0, "policy", "apply", shared.write({}));
}

/** What a disruptive case left half done must not fail the next ones: an agent runs, and the whole policy is in force. */
async function makeWhole(shared: Shared): Promise<void> {
  const { agent, events } = shared;
  try {
    if (!agent.runs) await agent.start("--events", events.path);
    await agent.run("policy", "apply", "--force", shared.write({}));
  } catch {
    // The next case says what is wrong.
  }
}

async function limited(work: void | Promise<void>, limit = CASE_LIMIT): Promise<void> {
  let timer = 0;
  const late = new Promise<void>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`No result within ${limit / 1000} s`)), limit);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Where an error that is not a case's finding came from. */
function ownFault(error: Error): string {
  return error.constructor.name === "Failure" || error instanceof Skip
    ? ""
    : ` (${error.stack?.split("\n")[1]?.trim() ?? "?"})`;
}
