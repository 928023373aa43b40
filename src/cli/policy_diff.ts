/**
 * `aegisbpf policy diff A B`: what is different between two policies, by what they mean.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import type { Change } from "../policy/diff.ts";
import type { PolicyDocument } from "../policy/document.ts";
import type { Policy } from "../policy/model.ts";
import type { KeyPath } from "../policy/problem.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { jsonText, type Output, printable } from "./output.ts";
import { policyFile, printProblems } from "./policy_file.ts";

/** Adds the command. */
export function addPolicyDiff(parent: Parent, context: Context): void {
  const command = parent.command("diff")
    .summary("compare two policies by what they mean")
    .description(
      "Compares two policies by what they mean: rules by their ids, entries of lists whatever their order. Comments, " +
        "layout and defaults that are written out do not count. Exit status: 0 where they mean the same, 1 where " +
        "they differ, 4 where one is not valid.",
    )
    .argument("<A>", 'a policy file, or "current": the policy in force')
    .argument("<B>", "another")
    .option(...JSON_OPTION)
    .action(async (a, b, { json }) => {
      const [before, after] = [await load(a, context), await load(b, context)];
      if (before === undefined || after === undefined) {
        context.exit = ExitCode.InvalidPolicy;
        return;
      }
      const { diffPolicies } = await import("../policy/diff.ts");
      const changes = located(diffPolicies(before.policy, after.policy), before, after);
      const { output } = context;
      output.out(
        json
          ? jsonText({ same: changes.length === 0, a: summary(before), b: summary(after), changes })
          : diffText(changes, before, after, output.style),
      );
      if (changes.length > 0) context.exit = ExitCode.No;
    });
  withExamples(command, [["aegisbpf policy diff current policy.yaml", "what an apply would change"]]);
}

/** A policy and where things are in it. */
interface Loaded {
  readonly name: string;
  readonly policy: Policy;
  readonly sha256: string;
  readonly document: PolicyDocument;
}

/** A change with the lines of both files that it is about, as `--json` has it. */
interface LocatedChange {
  readonly change: Change["kind"];
  /** Such as `rules.tls-keys.paths`. */
  readonly key: string;
  readonly entry?: unknown;
  readonly value?: unknown;
  readonly from?: unknown;
  readonly to?: unknown;
  readonly after?: string | null;
  readonly a_line?: number;
  readonly b_line?: number;
}

async function load(name: string, context: Context): Promise<Loaded | undefined> {
  const bytes = name === "current" ? await inForce(context) : policyFile(name).bytes;
  const { parsePolicy } = await import("../policy/parse.ts");
  const result = parsePolicy(bytes, name);
  if (result.ok) return { ...result, name };
  printProblems(context.output, name, result.problems);
  return undefined;
}

async function inForce(context: Context): Promise<Uint8Array> {
  using client = new AgentClient(context.locations().socket);
  return await client.getBytes("/v1/policy/source");
}

function located(changes: readonly Change[], before: Loaded, after: Loaded): readonly LocatedChange[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  return changes.map(({ kind, path, ...what }) => {
    const entry = "entry" in what ? what.entry : undefined;
    const [inA, inB] = [
      kind === "added" ? undefined : a(path, entry),
      kind === "removed" ? undefined : b(path, entry),
    ];
    return {
      change: kind,
      key: path.join("."),
      ...what,
      ...(inA === undefined ? {} : { a_line: inA }),
      ...(inB === undefined ? {} : { b_line: inB }),
    };
  });
}

/** Finds the line of a key path that names rules by id, or of an entry of the list there. */
function linesOf({ policy, document }: Loaded): (path: KeyPath, entry?: string | number) => number {
  const positions = new Map(policy.rules.map(({ id }, position) => [id, position]));
  return ([top = "", name, ...rest], entry) => {
    if (top === "scopes" && entry === undefined) return document.placeOfKey([top], String(name)).line;
    const below = name === undefined
      ? []
      : [top === "rules" ? positions.get(String(name)) ?? 0 : name, ...rest];
    const path = [top, ...below];
    return (entry === undefined ? document.placeOf(path) : document.placeOfEntry(path, String(entry))).line;
  };
}

function summary({ name, policy, sha256 }: Loaded): Record<string, unknown> {
  return { file: name, name: policy.name, serial: policy.serial, sha256 };
}

function diffText(
  changes: readonly LocatedChange[],
  before: Loaded,
  after: Loaded,
  style: Output["style"],
): string {
  const title = ({ name, policy }: Loaded) => printable(`${name} (${policy.name}, serial ${policy.serial})`);
  if (changes.length === 0) return `${title(before)} and ${title(after)} mean the same\n`;
  const following = followers(changes);
  const lines = changes.filter((change) => !following.has(change)).map((change) => changeLine(change, style));
  if (following.size > 0) {
    lines.push(`  ${following.size} rules without a mode of their own follow the policy's mode`);
  }
  return [`--- ${title(before)}`, `+++ ${title(after)}`, ...lines].map((line) => `${line}\n`).join("");
}

/** Changes of rules' modes that are the policy's own change again: a line each would hide the others. */
function followers(changes: readonly LocatedChange[]): ReadonlySet<LocatedChange> {
  const mode = changes.find(({ key }) => key === "mode");
  const same = changes.filter((change) =>
    mode !== undefined && change !== mode && /^rules\..*\.mode$/.test(change.key) &&
    change.from === mode.from && change.to === mode.to
  );
  return new Set(same.length > 1 ? same : []);
}

function changeLine(change: LocatedChange, style: Output["style"]): string {
  const { key, entry, value, from, to, after, a_line: a, b_line: b } = change;
  const lines = [...(a === undefined ? [] : [`A:${a}`]), ...(b === undefined ? [] : [`B:${b}`])].join(" ");
  const shown = (what: unknown) => printable(typeof what === "string" ? what : JSON.stringify(what));
  switch (change.change) {
    case "added":
      return `${style.good("+")} ${printable(key)}: ${shown(entry ?? partText(value))}  [${lines}]`;
    case "removed":
      return `${style.bad("-")} ${printable(key)}: ${shown(entry ?? partText(value))}  [${lines}]`;
    case "changed":
      return `${style.doubtful("~")} ${printable(key)}: ${shown(from ?? "(none)")} -> ${
        shown(to ?? "(none)")
      }  [${lines}]`;
    case "moved": {
      const place = after === null ? "to the first place" : `after ${after}`;
      return `${style.doubtful("~")} ${printable(key)}: moved ${shown(place)}  [${lines}]`;
    }
  }
}

/** A whole rule or scope in one line, without the rule's id, which the key has. */
function partText(value: unknown): unknown {
  if (Array.isArray(value) || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== "id"));
}
