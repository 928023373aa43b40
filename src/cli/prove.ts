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
import type { ProvedBench, ProveReport } from "./prove_report.ts";
import type { ProveParts } from "./prove_run.ts";

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
    .option("--rule <ID>", "only this rule")
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
 * Proves the policy in force, or one of its rules.
 *
 * @param command How this program is started again, for tests.
 * @throws {CommandError} with `Usage` where there is nothing to prove or it cannot be tried at all.
 */
export async function prove(
  context: Pick<Context, "locations">,
  rule?: string,
  command?: readonly string[],
): Promise<ProveReport> {
  const { Attempter, ScratchCgroup } = await import("./prove_attempter.ts");
  const { reportOf } = await import("./prove_report.ts");
  using client = new AgentClient(context.locations().socket);
  const health = await client.get<HealthReport>("/v1/health");
  if (health.policy === null) {
    throw new CommandError(ExitCode.Usage, "no policy is in force: there is nothing to prove");
  }
  const policy = await client.get<PolicyView>("/v1/policy");
  const rules = policy.rule_list.filter(({ id }) => rule === undefined || id === rule);
  if (rules.length === 0) {
    throw new CommandError(
      ExitCode.Usage,
      rule === undefined ? "the policy has no rules" : `no rule ${rule} is in force`,
    );
  }
  await using cgroup = new ScratchCgroup();
  await using attempter = await Attempter.start(cgroup, command);
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

async function proveRules(
  { rules, all }: { readonly rules: readonly RuleView[]; readonly all: readonly RuleView[] },
  parts: ProveParts,
  stop: Stop,
): Promise<ProvedBench[]> {
  const { benchesOf, coveredBy } = await import("./prove_bench.ts");
  const { proveBench } = await import("./prove_run.ts");
  const { readMounts } = await import("../kernel/host.ts");
  const [covered, mounts] = [coveredBy(all), readMounts()];
  const known = new Map<string, ProvedBench>();
  const proved: ProvedBench[] = [];
  for (const bench of rules.flatMap((rule) => benchesOf(rule, covered, mounts))) {
    const { rule, kind, target, file_system, device } = bench;
    const shape = `${kind} ${device} ${rule.effect} ${rule.mode} ${rule.deny.join()}`;
    const like = known.get(shape);
    if (like !== undefined) {
      const { id, effect } = rule;
      proved.push({ rule: id, effect, kind, target, file_system, like: like.rule, attempts: like.attempts });
      continue;
    }
    const result = await proveBench(bench, parts);
    if (stop.signal !== undefined) {
      throw new CommandError(ExitCode.Usage, `stopped by ${stop.signal}; nothing is left behind`);
    }
    known.set(shape, result);
    proved.push(result);
  }
  return proved;
}

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
