/**
 * `aegisbpf policy apply FILE`: puts a policy into force.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { resolve } from "node:path";
import type { SimulationReport } from "../agent/simulation_report.ts";
import type { ApplyPlan, ApplyRequest, ApplyResult, PolicySummary } from "../agent/api.ts";
import { CONFIRM_WITHIN } from "../agent/confirm_within.ts";
import { AgentClient, RefusedError } from "./client.ts";
import type { Context } from "./context.ts";
import { durationText, durationWithin } from "./duration.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { CommandError } from "./failure.ts";
import { counted, jsonText, printable } from "./output.ts";
import { printProblems, signedPolicyFile } from "./policy_file.ts";

/** Adds the command. */
export function addPolicyApply(parent: Parent, context: Context): void {
  const command = parent.command("apply")
    .summary("put a policy into force")
    .description(
      "Puts a policy into force, at one stroke: every decision is by the old policy or by the new one. FILE.sig is " +
        "its signature, where it has one. A policy that is refused changes nothing. Exit code 4: invalid, or it would " +
        "lock the host out; 5: its serial, signature or expiry is refused.",
    )
    .argument("<FILE>", "policy in YAML or JSON")
    .option("--dry-run", "check and resolve it all, say what would change, change nothing")
    .option(
      "--confirm-within <TIME>",
      "bring the policy before it back after TIME (60s, 5m) unless policy confirm comes; also if the agent is dead",
      durationWithin({ least: CONFIRM_WITHIN.min, most: CONFIRM_WITHIN.max }),
    )
    .option("--force", "apply it although it would lock the host out")
    .option(...JSON_OPTION)
    .action(async (path, options) => {
      await apply(path, options, context);
    });
  withExamples(command, [
    ["aegisbpf policy apply --dry-run web.yaml", "what would happen"],
    ["aegisbpf policy apply web.yaml", "let it happen"],
    [
      "aegisbpf policy apply --confirm-within 60s web.yaml",
      "let it happen for a minute, unless I confirm it",
    ],
  ]);
}

interface ApplyOptions {
  readonly dryRun?: true | undefined;
  /** Seconds. */
  readonly confirmWithin?: number | undefined;
  readonly force?: true | undefined;
  readonly json?: true | undefined;
}

/** 100,000 rules are resolved, filled in and checked in this time on a slow host, milliseconds. */
export const APPLY_MS = 120_000;

async function apply(path: string, options: ApplyOptions, context: Context): Promise<void> {
  const { dryRun, force, json, confirmWithin } = options;
  const { output } = context;
  // What was read is what is sent: the agent does not open the file again.
  const { bytes, signature } = signedPolicyFile(path);
  const request: ApplyRequest = {
    source: base64(bytes),
    file: resolve(path),
    ...(signature ? { signature: base64(signature) } : {}),
    ...(dryRun ? { dry_run: true } : {}),
    ...(force ? { force: true } : {}),
    ...(confirmWithin === undefined ? {} : { confirm_within_s: confirmWithin }),
  };
  using client = new AgentClient(context.locations().socket);
  try {
    const result = await client.post<ApplyResult>("/v1/policy/apply", request, { timeoutMs: APPLY_MS });
    for (const warning of result.warnings) output.err(`aegisbpf: warning: ${printable(warning)}`);
    const recorded = dryRun ? await recordedOpens(bytes, path, context) : undefined;
    output.out(
      json
        ? jsonText({ ...result, ...(recorded ? { recorded } : {}) })
        : `${outcome(result, dryRun === true)}\n${recorded ? recordedText(recorded) : ""}`,
    );
  } catch (error) {
    if (!(error instanceof RefusedError) || error.problems.length === 0) throw error;
    if (json) output.out(jsonText({ ok: false, problems: error.problems }));
    else {
      for (const problem of error.problems) {
        printProblems(output, problem.file === request.file ? path : problem.file, [problem]);
      }
    }
    throw error;
  }
}

/** What the policy would have done to what was recorded of late; undefined where that is nothing, or cannot be told. */
async function recordedOpens(
  bytes: Uint8Array,
  path: string,
  { locations, output }: Context,
): Promise<SimulationReport | undefined> {
  const [{ parsePolicy }, { simulateRecorded }] = await Promise.all([
    import("../policy/parse.ts"),
    import("./simulated.ts"),
  ]);
  const parsed = parsePolicy(bytes, path);
  if (!parsed.ok) return undefined;
  try {
    return await simulateRecorded(parsed.policy, path, locations().state, Date.now() - RECENT_MS);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    output.err(`aegisbpf: what was recorded was not looked at: ${error.message}`);
    return undefined;
  }
}

const RECENT_MS = 24 * 3600 * 1000;

function recordedText({ denied, audited, rows }: SimulationReport): string {
  const lines = [`  of what was recorded in the last 24 hours: ${denied} denied, ${audited} reported`];
  for (const { action, rule, op, cgroup, exe, count, files } of rows.slice(0, SHOWN)) {
    const who = exe === "" ? cgroup : `${exe} in ${cgroup}`;
    lines.push(printable(`    ${action} ${count} × ${op} ${files[0] ?? "?"} by ${rule}: ${who}`));
  }
  if (rows.length > SHOWN) lines.push("    … (policy simulate shows them all)");
  return `${lines.join("\n")}\n`;
}

function outcome({ applied, policy, confirm_within_s, plan }: ApplyResult, dryRun: boolean): string {
  const described = describedPolicy(policy);
  if (dryRun) return [`would apply ${described}; nothing was changed`, ...planLines(plan)].join("\n");
  const until = confirm_within_s === undefined
    ? ""
    : `; it is taken back in ${durationText(confirm_within_s)} unless you run aegisbpf policy confirm`;
  return (applied ? `applied ${described}` : `unchanged, in force already: ${described}`) + until;
}

function planLines(plan: ApplyPlan | undefined): string[] {
  if (plan === undefined) return [];
  const { rules: { added, removed, changed }, covered, uncovered, waiting } = plan;
  const named = ({ rule, target }: { rule: string; target: string }) => `${rule} ${target}`;
  return [
    ...listed("rules added", added),
    ...listed("rules removed", removed),
    ...listed("rules changed", changed),
    ...listed("covered then", covered.map(named)),
    ...listed("covered no more", uncovered.map(named)),
    ...listed("waiting for", waiting.map(named)),
  ];
}

function listed(what: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const more = items.length > SHOWN ? [`    … and ${items.length - SHOWN} more (--json has them all)`] : [];
  return [
    `  ${what}: ${items.length}`,
    ...items.slice(0, SHOWN).map((item) => `    ${printable(item)}`),
    ...more,
  ];
}

/** Of each list for people. */
const SHOWN = 20;

/** A policy in a few words. */
export function describedPolicy({ name, serial, rules, waiting }: PolicySummary): string {
  const paths = waiting === 0 ? "" : `, ${counted(waiting, "path")} waiting`;
  return `${printable(name)} (serial ${serial}): ${counted(rules, "rule")}${paths}`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
