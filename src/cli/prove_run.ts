/**
 * Proves one bench: decoys are made, the agent covers them, each way is tried on a control and on a decoy, and all is
 * taken away again.
 *
 * @module
 */
import type { HealthReport, ProveBegin, ProveBegun, ProveEnded, StatsReport } from "../agent/api.ts";
import { type Attempt, attemptsFor } from "../agent/prove_catalogue.ts";
import type { Backend } from "../kernel/backend.ts";
import { OPERATIONS } from "../policy/operations.ts";
import { type AgentClient, RefusedError } from "./client.ts";
import type { Attempter, ScratchCgroup } from "./prove_attempter.ts";
import { type Bench, makeFolder } from "./prove_bench.ts";
import { type Decoys, decoysOf, makeAfter, makeBefore, targetOf } from "./prove_decoys.ts";
import { judge, type ProvedAttempt, type ProvedBench } from "./prove_report.ts";

/** What proving works with. */
export interface ProveParts {
  readonly client: Pick<AgentClient, "get" | "post">;
  readonly cgroup: Pick<ScratchCgroup, "path">;
  readonly attempter: Pick<Attempter, "try">;
  readonly health: Pick<HealthReport, "backend">;
}

/** Tries the whole catalogue. Whatever goes wrong, nothing stays behind. */
export async function proveBench(bench: Bench, parts: ProveParts): Promise<ProvedBench> {
  const { rule, kind, target, file_system } = bench;
  const ops = OPERATIONS.filter((op) => rule.deny.includes(op));
  const backend = (parts.health.backend ?? "tracepoint") as Backend;
  const attempts = attemptsFor({ ops, kind, backend });
  const proved = (results: readonly ProvedAttempt[]): ProvedBench => ({
    rule: rule.id,
    effect: rule.effect,
    kind,
    target,
    file_system,
    attempts: results,
  });
  const made = makeFolder(bench);
  if ("reason" in made) return proved(untold(attempts, made.reason));
  try {
    return proved(await tryAll(bench, attempts, made.folder, parts));
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return proved(untold(attempts, `the agent refused: ${error.message}`));
  } finally {
    Deno.removeSync(made.folder, { recursive: true });
  }
}

interface Prepared {
  readonly attempt: Attempt;
  readonly decoys: Decoys;
  /** Why its decoys could not be made: the file system has no such thing. */
  failed?: string;
}

async function tryAll(
  bench: Bench,
  attempts: readonly Attempt[],
  folder: string,
  parts: ProveParts,
): Promise<ProvedAttempt[]> {
  const prepared = attempts.map((attempt, index): Prepared => {
    const root = `${folder}/${index}`;
    Deno.mkdirSync(root, { mode: 0o700 });
    return { attempt, decoys: decoysOf(attempt, root) };
  });
  makeAll(prepared, makeBefore);
  const begin: ProveBegin = {
    cgroup: parts.cgroup.path,
    rule: bench.rule.id,
    decoys: prepared.filter(({ failed }) => failed === undefined).map(({ decoys }) =>
      targetOf(decoys.decoy, bench.kind)
    ),
  };
  let results: ProvedAttempt[] = [];
  let held = false;
  const started = performance.now();
  const { rule } = await parts.client.post<ProveBegun>("/v1/prove/begin", begin, BOUNDS);
  const lookMs = performance.now() - started;
  try {
    makeAll(prepared, makeAfter);
    if (attempts.some(({ promise }) => promise === "soon")) await pause(lookMs);
    results = await tryEach(prepared, bench, rule, parts);
  } finally {
    ({ held } = await parts.client.post<ProveEnded>("/v1/prove/end", {}, BOUNDS));
  }
  return held ? results : untold(attempts, "another policy came into force meanwhile, or it took too long");
}

function makeAll(prepared: readonly Prepared[], make: typeof makeBefore): void {
  for (const one of prepared) {
    try {
      for (const place of [one.decoys.decoy, one.decoys.control]) make(one.attempt.way, place);
    } catch (error) {
      one.failed ??= error instanceof Error ? error.message : String(error);
    }
  }
}

async function tryEach(
  prepared: readonly Prepared[],
  { rule: { effect } }: Bench,
  decoyRule: string,
  { client, attempter }: ProveParts,
): Promise<ProvedAttempt[]> {
  const count = async () => {
    if (effect === "deny") return 0;
    const { rows = [] } = await client.get<StatsReport>("/v1/stats?by=rule");
    return rows.filter(({ key }) => key === decoyRule).reduce((sum, row) => sum + row.count, 0);
  };
  const results: ProvedAttempt[] = [];
  for (const { attempt, decoys, failed } of prepared) {
    if (failed !== undefined) {
      results.push({ ...attempt, outcome: "not possible here", detail: failed });
      continue;
    }
    const { way, op } = attempt;
    const control = await attempter.try({ way, op, place: decoys.control });
    const before = await count();
    const decoy = await attempter.try({ way, op, place: decoys.decoy });
    const decisions = await count() - before;
    results.push(judge({ attempt, effect, control, decoy, decisions }));
  }
  return results;
}

/** All of a bench, when nothing can be told of it. */
function untold(attempts: readonly Attempt[], detail: string): ProvedAttempt[] {
  return attempts.map((attempt) => ({ ...attempt, outcome: "cannot tell", detail }));
}

/** Large policies take their time to be put into force. */
const BOUNDS = { timeoutMs: 60_000 } as const;
/**
 * The agent looks less often than every 100 ms where a look takes long, and with the decoys it does: fifty times as
 * long as a look passes until the next. Putting them into force takes two looks and more.
 */
const SOON = { leastMs: 1000, mostMs: 15_000, looks: 30 } as const;

/** Gives the agent time to follow what changed. */
async function pause(lookMs: number): Promise<void> {
  const ms = Math.min(Math.max(SOON.leastMs, SOON.looks * lookMs), SOON.mostMs);
  await new Promise((resolve) => setTimeout(resolve, ms));
}
