/**
 * Proves benches: decoys are made, the agent covers them, each way is tried on a control and on a decoy, and all is
 * taken away again.
 *
 * @module
 */
import type { HealthReport, RuleView } from "../agent/api.ts";
import type { ProveBegin, ProveBegun, ProveEnded, ProveLook, ProveRule } from "../agent/prove_api.ts";
import { type Attempt, attemptsFor } from "../agent/prove_catalogue.ts";
import type { Backend } from "../kernel/backend.ts";
import { OPERATIONS } from "../policy/operations.ts";
import { type AgentClient, RefusedError } from "./client.ts";
import type { AttemptAnswer } from "./prove_attempt.ts";
import type { Attempter } from "./prove_attempter.ts";
import { type Bench, makeFolder } from "./prove_bench.ts";
import { EXCEPTED_UID } from "./prove_callers.ts";
import { CALLERS, type ScratchCgroup } from "./prove_cgroup.ts";
import {
  type Decoys,
  decoysOf,
  makeAfter,
  makeBefore,
  makePrograms,
  type Programs,
  targetOf,
} from "./prove_decoys.ts";
import { judge, type ProvedAttempt, type ProvedBench } from "./prove_report.ts";

/** What proving works with. */
export interface ProveParts {
  readonly client: Pick<AgentClient, "get" | "post">;
  readonly cgroup: Pick<ScratchCgroup, "path">;
  readonly attempter: Pick<Attempter, "try" | "ready">;
  readonly health: Pick<HealthReport, "backend">;
}

/** Tries the whole catalogue on each bench. Whatever goes wrong, nothing stays behind. */
export async function proveBenches(benches: readonly Bench[], parts: ProveParts): Promise<ProvedBench[]> {
  const prepared: Prepared[] = [];
  try {
    for (const bench of benches) prepared.push(prepare(bench, parts));
    await tryAll(prepared.filter(hasPrograms), parts);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    for (const one of prepared) one.untold ??= `the agent refused: ${error.message}`;
  } finally {
    for (const { folder } of prepared) if (folder !== undefined) Deno.removeSync(folder, { recursive: true });
  }
  return prepared.map(({ bench, trials, untold, results }) => ({
    rule: bench.rule.id,
    effect: bench.rule.effect,
    kind: bench.kind,
    target: bench.target,
    file_system: bench.file_system,
    attempts: untold === undefined
      ? results
      : trials.map(({ attempt }) => ({ ...attempt, outcome: "cannot tell", detail: untold })),
  }));
}

/** One bench while it is proved. */
interface Prepared {
  readonly bench: Bench;
  /** Where its decoys are; undefined where there is no place for any. */
  readonly folder?: string;
  readonly programs?: Programs;
  readonly trials: readonly Trial[];
  results: ProvedAttempt[];
  /** Why nothing can be told of it. */
  untold?: string;
}

type PreparedFully = Prepared & Required<Pick<Prepared, "folder" | "programs">>;

function hasPrograms(one: Prepared): one is PreparedFully {
  return one.programs !== undefined;
}

interface Trial {
  readonly attempt: Attempt;
  readonly decoys: Decoys;
  /** Why its decoys could not be made: the file system has no such thing. */
  failed?: string;
}

function prepare(bench: Bench, { health }: ProveParts): Prepared {
  const { rule, kind } = bench;
  const ops = OPERATIONS.filter((op) => rule.deny.includes(op));
  const attempts = attemptsFor({
    ops,
    kind,
    backend: (health.backend ?? "tracepoint") as Backend,
    signals: rule.effect === "deny" && rule.signal !== undefined,
  });
  const made = makeFolder(bench);
  const folder = "folder" in made ? made.folder : "";
  const trials = attempts.map((attempt, index): Trial => ({
    attempt,
    decoys: decoysOf(attempt, `${folder}/${index}`),
  }));
  if ("reason" in made) return { bench, trials, results: [], untold: made.reason };
  makeAll(trials, makeBefore);
  return { bench, folder, programs: makePrograms(folder), trials, results: [] };
}

function makeAll(trials: readonly Trial[], make: typeof makeBefore): void {
  for (const trial of trials.filter(({ failed }) => failed === undefined)) {
    try {
      for (const place of [trial.decoys.decoy, trial.decoys.control]) make(trial.attempt.way, place);
    } catch (error) {
      trial.failed = error instanceof Error ? error.message : String(error);
    }
  }
}

/** All of them under one lease: putting decoys into force takes as long as a policy does. */
async function tryAll(prepared: readonly PreparedFully[], parts: ProveParts): Promise<void> {
  if (prepared.length === 0) return;
  const { client, attempter } = parts;
  await attempter.ready();
  const { rules } = await client.post<ProveBegun>("/v1/prove/begin", beginOf(prepared, parts), BOUNDS);
  let held = false;
  try {
    for (const { trials } of prepared) makeAll(trials, makeAfter);
    const soon = prepared.some(({ trials }) => trials.some(({ attempt }) => attempt.promise === "soon"));
    if (soon) await followed(parts);
    const ids = rules.values();
    for (const one of prepared) {
      const [decoyRule = ""] = rulesFor(one).map(() => ids.next().value ?? "");
      one.results = await tryEach(one, decoyRule, parts);
    }
  } finally {
    ({ held } = await client.post<ProveEnded>("/v1/prove/end", {}, BOUNDS));
  }
  if (held) return;
  for (const one of prepared) one.untold = "another policy came into force meanwhile, or it took too long";
}

function beginOf(prepared: readonly PreparedFully[], { cgroup: { path } }: ProveParts): ProveBegin {
  return {
    callers: {
      members: [`${path}/${CALLERS.member}`, `${path}/${CALLERS.late}`],
      excepted: {
        cgroups: [`${path}/${CALLERS.excepted}`],
        exe: prepared.map(({ programs }) => programs.excepted),
        uids: [EXCEPTED_UID],
      },
    },
    rules: prepared.flatMap(rulesFor),
  };
}

/** A rule for what is refused only, and one for what gets a signal too, if any does. */
function rulesFor({ bench: { rule, kind }, trials }: Prepared): ProveRule[] {
  const possible = trials.filter(({ failed }) => failed === undefined);
  const [plain, signalled] = [false, true].map((signals) => ({
    rule: rule.id,
    signals,
    decoys: possible.filter(({ attempt: { aim } }) => (aim === "signalled") === signals)
      .map(({ decoys }) => targetOf(decoys.decoy, kind)),
  }));
  return [...plain ? [plain] : [], ...signalled?.decoys.length ? [signalled] : []];
}

/** Waits until the agent has looked at every place once more, where only looking tells it of changes. */
async function followed({ client }: ProveParts): Promise<void> {
  const look = async () => (await client.post<ProveLook>("/v1/prove/look", {}, BOUNDS)).looks;
  const before = await look();
  for (const end = performance.now() + FOLLOW_MS; performance.now() < end && await look() === before;) {
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_PAUSE_MS));
  }
}

async function tryEach(
  { bench: { rule }, trials, programs }: PreparedFully,
  decoyRule: string,
  { client, attempter }: ProveParts,
): Promise<ProvedAttempt[]> {
  const count = async () => {
    const { decisions } = await client.post<ProveLook>("/v1/prove/look", {}, BOUNDS);
    return decisions[decoyRule] ?? 0;
  };
  let counted = await count();
  const answers = new Map<Trial, Answered>();
  const possible = trials.filter(({ failed }) => failed === undefined);
  // What is refused says so itself; what is only reported has to be counted, one way at a time.
  const groups = rule.effect === "deny" ? [possible] : possible.map((trial) => [trial]);
  for (const group of groups) {
    const answered = await attempter.try(group.flatMap(({ attempt: { way, op }, decoys }) => [
      { way, op, programs, place: decoys.control },
      { way, op, programs, place: decoys.decoy },
    ]));
    const before = counted;
    counted = rule.effect === "deny" ? 0 : await count();
    for (const [index, trial] of group.entries()) {
      const [control, decoy] = answered.slice(2 * index);
      if (control && decoy) answers.set(trial, { control, decoy, decisions: counted - before });
    }
  }
  return trials.map((trial) => resultOf(trial, rule, answers.get(trial)));
}

interface Answered {
  readonly control: AttemptAnswer;
  readonly decoy: AttemptAnswer;
  readonly decisions: number;
}

function resultOf(
  { attempt, failed }: Trial,
  { effect, signal }: RuleView,
  answered: Answered | undefined,
): ProvedAttempt {
  if (answered === undefined) return { ...attempt, outcome: "not possible here", detail: failed ?? "" };
  return judge({ attempt, effect, signal, ...answered });
}

/** Large policies take their time to be put into force. */
const BOUNDS = { timeoutMs: 60_000 } as const;
/** The agent looks less often than every 100 ms where a look takes long, and with the decoys it does. */
const FOLLOW_MS = 30_000;
const FOLLOW_PAUSE_MS = 20;
