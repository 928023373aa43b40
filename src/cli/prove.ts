/**
 * `aegisbpf prove`: tries every known way round each rule, on decoys, and says which are covered.
 *
 * @module
 */
import type { HealthReport, PolicyView, RuleView } from "../agent/api.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { CommandError } from "./failure.ts";
import { jsonText } from "./output.ts";
import type { Bench } from "./prove_bench.ts";
import type { ProvedBench, ProveReport } from "./prove_report.ts";
import type { ProveParts } from "./prove_run.ts";

const NO_IDS: readonly string[] = [];

/** Adds the command. */
export function addProve(parent: Parent, context: Context): void {
  const command = parent.command("prove")
    .summary("try every known way round each rule")
    .description(
      "Tries every known way round each rule of the policy in force: other names, replaced files, mounts, namespaces, " +
        "handles, io_uring, ld.so and the rest. It does so on this host, in a scratch cgroup, on decoy files beside " +
        "the rule's targets, which the agent covers for as long as it takes. Decoys' events have a rule id that " +
        "begins with prove:. Exit code 0: all that is promised is covered; 1: something is not; 2: it cannot be told, " +
        "as always in another posture than enforce, where only reports can be looked at.",
    )
    .option("--rule <ID>", "only this rule; may be given more than once", (id, ids) => [...ids, id], NO_IDS)
    .option(...JSON_OPTION)
    .action(async ({ rule, json }) => {
      const { exitOf } = await import("./prove_report.ts");
      const report = await prove(context, rule);
      const { proveText } = await import("./prove_view.ts");
      context.output.out(json ? jsonText(report) : proveText(report, context.output.style));
      context.exit = exitOf(report);
    });
  withExamples(command, [
    ["aegisbpf prove", "all rules"],
    ["aegisbpf prove --rule tls-keys --json", "one rule, for a program"],
  ]);
}

/**
 * Proves the policy in force, or some of its rules.
 *
 * @param ids Which rules; none: all.
 * @param command How this program is started again, for tests.
 * @throws {CommandError} with `Usage` where there is nothing to prove or it cannot be tried at all.
 */
export async function prove(
  context: Pick<Context, "locations">,
  ids: readonly string[] = [],
  command?: readonly string[],
): Promise<ProveReport> {
  const { Attempter } = await import("./prove_attempter.ts");
  const { ScratchCgroup } = await import("./prove_cgroup.ts");
  const { reportOf } = await import("./prove_report.ts");
  using client = new AgentClient(context.locations().socket);
  const health = await client.get<HealthReport>("/v1/health");
  if (health.policy === null) {
    throw new CommandError(ExitCode.Usage, "no policy is in force: there is nothing to prove");
  }
  const policy = await client.get<PolicyView>("/v1/policy");
  const rules = chosen(policy, ids);
  await using cgroup = new ScratchCgroup();
  await using attempter = new Attempter(cgroup, command);
  const { posture, backend } = health;
  const stop = stopOnSignals(attempter);
  try {
    const proved = await proveRules(
      { rules, all: policy.rule_list },
      { client, cgroup, attempter, health },
      stop,
    );
    return reportOf({
      posture,
      backend,
      policy: { name: policy.name, serial: policy.serial },
      rules: proved,
    });
  } finally {
    stop[Symbol.dispose]();
  }
}

function chosen({ rule_list }: PolicyView, ids: readonly string[]): readonly RuleView[] {
  if (rule_list.length === 0) throw new CommandError(ExitCode.Usage, "the policy has no rules");
  const unknown = ids.find((id) => !rule_list.some((rule) => rule.id === id));
  if (unknown !== undefined) throw new CommandError(ExitCode.Usage, `no rule ${unknown} is in force`);
  return rule_list.filter(({ id }) => ids.length === 0 || ids.includes(id));
}

async function proveRules(
  { rules, all }: { readonly rules: readonly RuleView[]; readonly all: readonly RuleView[] },
  parts: ProveParts,
  stop: Stop,
): Promise<ProvedBench[]> {
  const { benchesOf, coveredBy } = await import("./prove_bench.ts");
  const { proveBenches } = await import("./prove_run.ts");
  const { readMounts } = await import("../kernel/host.ts");
  const [covered, mounts] = [coveredBy(all), readMounts()];
  const benches = rules.flatMap((rule) => benchesOf(rule, covered, mounts));
  const shapes = [...Map.groupBy(benches, shapeOf).values()].flatMap(([bench]) => bench ?? []);
  const known = new Map<string, ProvedBench>();
  for (let at = 0; at < shapes.length; at += AT_ONCE) {
    const some = shapes.slice(at, at + AT_ONCE);
    const results = await proveBenches(some, parts);
    if (stop.signal !== undefined) {
      throw new CommandError(ExitCode.Usage, `stopped by ${stop.signal}; nothing is left behind`);
    }
    for (const [index, bench] of some.entries()) {
      const result = results[index];
      if (result) known.set(shapeOf(bench), result);
    }
  }
  return benches.flatMap((bench) => {
    const { rule: { id, effect }, kind, target, file_system } = bench;
    const proved = known.get(shapeOf(bench));
    if (proved === undefined || shapes.includes(bench)) return proved ?? [];
    return { rule: id, effect, kind, target, file_system, like: proved.rule, attempts: proved.attempts };
  });
}

/** Benches of one shape have the same results. */
function shapeOf({ rule, kind, device }: Bench): string {
  return `${kind} ${device} ${rule.effect} ${rule.mode} ${rule.signal} ${rule.deny.join()}`;
}

/** Benches whose decoys are in force together: some 80 files each. */
const AT_ONCE = 8;

interface Stop extends Disposable {
  /** The signal that came. */
  readonly signal: Deno.Signal | undefined;
}

/** On a signal the attempts end, and with them the command, after it has cleaned up. */
function stopOnSignals(attempter: { end(): void }): Stop {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  let came: Deno.Signal | undefined;
  const listeners = signals.map((signal) => {
    const listener = () => {
      came = signal;
      attempter.end();
    };
    Deno.addSignalListener(signal, listener);
    return [signal, listener] as const;
  });
  return {
    get signal() {
      return came;
    },
    [Symbol.dispose]: () => {
      for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}
