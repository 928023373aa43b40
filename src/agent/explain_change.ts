/**
 * The smallest change that would turn a decision, as steps for a person.
 *
 * @module
 */
import type { Judged, Unmet, Verdict } from "../kernel/decision.ts";
import { EXEMPT } from "../kernel/decision.ts";
import { AEGIS } from "../kernel/layout.ts";
import type { Mode } from "../policy/model.ts";
import type { Operation } from "../policy/operations.ts";
import type { ExplainedChange, ExplainReport } from "./api.ts";
import type { Obstacles } from "./explain_obstacles.ts";
import { isHandId } from "./hand_file.ts";
import type { ExplainNames, NamedMember } from "./explain_names.ts";

/** What a change is found from. */
export interface ChangeContext {
  readonly decision: ExplainReport["decision"];
  readonly op: Operation;
  readonly verdict: Verdict;
  readonly names: ExplainNames;
  readonly obstacles: Obstacles;
  readonly caller: ExplainReport["caller"];
  readonly file: ExplainReport["file"];
  /** The mode that overrides the policy's. */
  readonly mode?: Mode | undefined;
}

/** What allows what is denied, or denies what is not; null where no policy can. */
export function changeOf(context: ChangeContext): ExplainedChange | null {
  return context.decision === "deny" ? toAllow(context) : toDeny(context);
}

function toAllow({ verdict, names, caller, op }: ChangeContext): ExplainedChange | null {
  const denying = verdict.judged.filter(({ says }) => says === "deny");
  if (denying.some(isCanary)) return null;
  const rules = [...new Map(denying.map((judged) => [judged.index, judged])).values()];
  const { path } = caller.cgroup;
  if (rules.length > 1 && path !== "/") return { to: "allow", steps: [`add ${path} to allow.cgroups`] };
  return {
    to: "allow",
    steps: rules.map((judged) => {
      const byHand = removal(judged, names);
      if (byHand !== undefined) return byHand;
      const place = names.placeOf(judged);
      if (path !== "/") return `add ${path} to except.cgroups of ${place}`;
      if (caller.exe) return `add ${caller.exe.path} to except.exe of ${place}`;
      if (caller.uid !== 0) return `add ${caller.uid} to except.uids of ${place}`;
      // The root cgroup or uid 0 as an exception would let everybody through.
      return withoutCaller(judged, names, op);
    }),
  };
}

/** How a rule by hand goes; undefined for one of the policy. */
function removal(judged: Judged, names: ExplainNames): string | undefined {
  const id = names.idOf(judged);
  return isHandId(id) ? `remove the rule by hand: aegisbpf deny remove ${id}` : undefined;
}

function withoutCaller(judged: Judged, names: ExplainNames, op: Operation): string {
  const place = names.placeOf(judged);
  const { ops } = judged.rule;
  if ((ops & ops - 1) !== 0) return `take ${op} out of deny of ${place}`;
  const rule = names.ruleOf(judged);
  const target = names.targetOf(judged);
  return target && rule && rule.paths.length + rule.inodes.length > 1
    ? `take ${target.text} out of ${place}`
    : `take out ${place}`;
}

function toDeny(context: ChangeContext): ExplainedChange | null {
  const { verdict, obstacles, file, op } = context;
  const host = [...obstacles.reported, ...(obstacles.unseen ? [obstacles.unseen] : [])];
  const [nearest] = verdict.judged.filter((judged) => !isCanary(judged))
    .map((judged) => stepsToDeny(judged, context))
    .sort((one, other) => one.length - other.length);
  return {
    to: "deny",
    steps: [
      ...(nearest ?? [`add ${file.path} to the paths of a rule that denies ${op}`]),
      ...host.flatMap(({ step }) => step ?? []),
    ],
  };
}

function stepsToDeny(judged: Judged, { names, op, caller, mode }: ChangeContext): string[] {
  const place = names.placeOf(judged);
  const steps = judged.unmet.flatMap((unmet) => lift(unmet, judged, names, op, caller.cgroup.path));
  if ((judged.rule.flags & AEGIS.RULE_ENFORCE) === 0) {
    steps.push(
      mode === "audit" || isHandId(names.idOf(judged))
        ? "run the agent without --mode audit"
        : `set mode: enforce in ${place}`,
    );
  }
  return steps;
}

function lift(unmet: Unmet, judged: Judged, names: ExplainNames, op: Operation, cgroup: string): string[] {
  const place = names.placeOf(judged);
  switch (unmet.kind) {
    case "operation":
      return isHandId(names.idOf(judged))
        ? [`add a rule by hand that denies ${op}`]
        : [`add ${op} to deny of ${place}`];
    case "scope": {
      const [scope] = names.ruleOf(judged)?.in ?? [];
      return cgroup === "/" || scope === undefined
        ? [`take in out of ${place}: it then applies everywhere`]
        : [`add ${cgroup} to scopes.${scope}`];
    }
    case "exception":
      return names.membersOf(unmet.bits).map((member) =>
        takeOut(member, `except.${member.list} of ${place}`)
      );
    case "exempt":
      return names.membersOf(EXEMPT).map((member) =>
        names.isExemptByHand(member.value)
          ? `end the exemption by hand: aegisbpf allow remove ${member.value}`
          : takeOut(member, "allow.cgroups")
      );
  }
}

function takeOut({ value }: NamedMember, list: string): string {
  return `take ${value} out of ${list}`;
}

function isCanary({ rule }: Judged): boolean {
  return (rule.flags & AEGIS.RULE_CANARY) !== 0;
}
