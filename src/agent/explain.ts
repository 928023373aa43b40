/**
 * `explain`: what the set in force says of an operation on a path by a caller, why, and what would turn it. The answer
 * is the kernel's state; the policy only lends names and lines to it.
 *
 * @module
 */
import { decide, type Judged, type Subject } from "../kernel/decision.ts";
import { cgroupRoot } from "../kernel/host.ts";
import { LiveSetView } from "../kernel/set_view.ts";
import type { KernelState } from "../kernel/state.ts";
import type { Mode } from "../policy/model.ts";
import { type Operation, OPERATIONS } from "../policy/operations.ts";
import type { ExplainedRule, ExplainReport } from "./api.ts";
import { changeOf } from "./explain_change.ts";
import { ExplainNames } from "./explain_names.ts";
import { obstaclesTo } from "./explain_obstacles.ts";
import { isHandId } from "./hand_file.ts";
import { type AskedCaller, findCaller, findSubject } from "./explain_subject.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import { Refusal } from "./refusal.ts";

/** What is asked. */
export interface ExplainQuestion extends AskedCaller {
  /** Absolute. */
  readonly path: string;
  /** `read` by default. */
  readonly op?: string | undefined;
}

/** What explaining works with. */
export interface ExplainContext {
  readonly state: KernelState;
  readonly engine: PolicyEngine;
  /** The mode that overrides the policy's. */
  readonly mode?: Mode | undefined;
}

/**
 * Explains.
 *
 * @throws {Refusal} 2 if it cannot be told.
 */
export function explain({ state, engine, mode }: ExplainContext, question: ExplainQuestion): ExplainReport {
  const op = operation(question.op);
  const number = OPERATIONS.indexOf(op);
  const { subject: found, file, notes } = findSubject(state.identities, question.path, op);
  const subject = seenBy(state, found);
  const { caller, shown, cgroupMissing } = findCaller(state.identities, cgroupRoot(), question);
  using view = new LiveSetView(state);
  const verdict = decide(view, subject, number, caller);
  const info = state.control.setInfo(view.index);
  const current = engine.current?.sha256 === info.sha256 ? engine.current : undefined;
  const names = new ExplainNames({ current, numbers: engine.numbers, subject, file, caller: shown, verdict });
  const obstacles = obstaclesTo(state, view, op);
  const rules = verdict.judged.map((judged) => explained(judged, judged === verdict.deciding, op, names));
  const { deciding } = verdict;
  const decision = deciding === undefined || obstacles.unseen !== undefined
    ? "allow"
    : deciding.says === "deny" && obstacles.reported.length === 0
    ? "deny"
    : "audit";
  return {
    decision,
    op,
    path: question.path,
    file,
    caller: shown,
    rule: deciding ? rules[verdict.judged.indexOf(deciding)] ?? null : null,
    condition: conditionOf(deciding, rules, names),
    notes: [
      ...(obstacles.unseen ? [obstacles.unseen.note] : []),
      ...(deciding?.says === "deny" ? obstacles.reported.map(({ note }) => note) : []),
      ...notes,
      ...(cgroupMissing ? [`there is no cgroup ${shown.cgroup.path} now: judged as if it were made`] : []),
      ...(current === undefined ? ["the set in force is not of a policy that this agent has read"] : []),
    ],
    rules,
    change: changeOf({ decision, op, verdict, names, obstacles, caller: shown, file, mode }),
    backend: state.backend,
    policy: {
      name: info.name,
      serial: Number(info.serial),
      file: current?.file ?? null,
      generation: Number(info.generation),
    },
  };
}

/** The tracepoints look at what was opened; only the hooks are run again for the file behind it. */
function seenBy({ backend }: KernelState, subject: Subject): Subject {
  if (backend !== "tracepoint") return subject;
  const { behind: _, ...merged } = subject;
  return merged;
}

function operation(text = "read"): Operation {
  const found = OPERATIONS.find((op) => op === text);
  if (found === undefined) {
    throw new Refusal(2, `Expected op to be one of ${OPERATIONS.join(", ")}, got ${text}`);
  }
  return found;
}

function explained(judged: Judged, decides: boolean, op: Operation, names: ExplainNames): ExplainedRule {
  const { by, says } = judged;
  const id = names.idOf(judged);
  return {
    id,
    ...(isHandId(id) ? { origin: "hand" } as const : {}),
    line: names.ruleOf(judged)?.line || null,
    target: names.targetOf(judged),
    by,
    says,
    decides,
    why: [names.howNamed(judged), ...names.reasons(judged, op)],
  };
}

function conditionOf(
  deciding: Judged | undefined,
  rules: readonly ExplainedRule[],
  names: ExplainNames,
): string {
  if (deciding) return names.scopeText(deciding);
  if (rules.length === 0) return "no rule names it";
  const [only] = rules;
  const reasons = only?.why.slice(1).join(", ") ?? "";
  return rules.length === 1 ? `rule ${only?.id} names it: ${reasons}` : "rules name it, but none applies";
}
