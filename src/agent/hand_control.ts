/**
 * What the control socket does with rules and exemptions by hand: requests are checked, put into force with the policy
 * at one stroke, and shown.
 *
 * @module
 */
import { identityText } from "../kernel/packed.ts";
import type { KernelState } from "../kernel/state.ts";
import { DEFAULT_OPERATIONS, OPERATIONS } from "../policy/operations.ts";
import { formatProblem } from "../policy/problem.ts";
import { ID_PATTERN } from "../policy/schema.ts";
import { formatCgroup, formatInodeTarget, formatPathTarget, parseCgroup, quote } from "../policy/syntax.ts";
import { nearest } from "../policy/suggest.ts";
import type {
  AllowAdd,
  AllowAdded,
  AllowRemoved,
  DenyAdd,
  DenyAdded,
  DenyRemoved,
  HandExemptionsView,
  HandExemptionView,
  HandRulesView,
  HandRuleView,
} from "./hand_api.ts";
import { HAND_PREFIX, type HandExemption, type HandRule, targetOf } from "./hand_file.ts";
import { type HandRules, policyRuleOf } from "./hand_rules.ts";
import { faultPoint } from "./fault_points.ts";
import { secondsLeft, type Times, timesOf } from "./hand_time.ts";
import type { History } from "./history.ts";
import type { Locations } from "./locations.ts";
import { lockoutProblems } from "./lockouts.ts";
import { effectOf } from "./in_force.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import { Refusal } from "./refusal.ts";

/** How it reaches the rest of the agent. */
export interface HandContext {
  readonly hand: HandRules;
  readonly engine: PolicyEngine;
  readonly state: Pick<KernelState, "backend" | "control" | "identities">;
  readonly locations: Locations;
  /** A set came into force. */
  readonly installed: () => void;
  readonly history: Pick<History, "append">;
  readonly log: (line: string) => void;
}

/** Rules and exemptions by hand, for the control socket. */
export class HandControl {
  readonly #context: HandContext;
  #problem: string | undefined;

  constructor(context: HandContext) {
    this.#context = context;
    for (const note of context.hand.notes) context.log(`by hand: ${note}`);
  }

  /** What was wrong with what is kept. */
  get notes(): readonly string[] {
    return this.#context.hand.notes;
  }

  /** Puts what is by hand into force where there is no policy, or takes out what an agent before left there. */
  startWithoutPolicy(): void {
    const { hand, state } = this.#context;
    const { name } = state.control.setInfo(state.control.liveIndex());
    if (!hand.isEmpty || name !== "") this.#install(() => {});
  }

  /** Ends what has run out; to be called every second or so. */
  tick(): void {
    const { hand, engine, log } = this.#context;
    // It can be taken out when that is over.
    if (engine.pending) return;
    try {
      for (const line of hand.expire(this.#install)) this.#note(line);
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // It is tried again each time, and said once.
      if (this.#problem !== error.message) log(`by hand: what has run out stays for now: ${error.message}`);
      this.#problem = error.message;
    }
  }

  /** The rules by hand. */
  rules(): HandRulesView {
    return { rules: this.#context.hand.rules.map((rule) => this.#ruleView(rule)) };
  }

  /** The cgroups that are exempt by hand. */
  exemptions(): HandExemptionsView {
    return { cgroups: this.#context.hand.exemptions.map((one) => this.#exemptionView(one)) };
  }

  /**
   * Adds a rule.
   *
   * @throws {Refusal} 1, 2, 3, 4 or 5; nothing has changed then.
   */
  deny(request: DenyAdd): DenyAdded {
    const { hand } = this.#context;
    hand.checkAccepted();
    const fresh = { ...ruleOf(request), ...timesOf(hand.clock, request.ttl_s) };
    const warnings = this.#checkLockout(fresh, request.force ?? false);
    const { result, entry } = hand.deny(fresh, this.#install);
    this.#note(`rule ${entry.id} ${result}: deny ${entry.ops.join(",")} of ${entry.target}${until(entry)}`);
    return { result, rule: this.#ruleView(entry), warnings };
  }

  /**
   * Removes rules.
   *
   * @throws {Refusal} 1 or 5.
   */
  undeny(name: string): DenyRemoved {
    const { hand } = this.#context;
    hand.checkAccepted();
    const before = new Map(this.rules().rules.map((view) => [view.id, view]));
    const removed = hand.undeny(name, this.#install);
    for (const { id, target } of removed) this.#note(`rule ${id} (${target}) removed`);
    return { removed: removed.flatMap(({ id }) => before.get(id) ?? []) };
  }

  /**
   * Exempts a cgroup.
   *
   * @throws {Refusal} 2, 4 or 5; nothing has changed then.
   */
  allow(request: AllowAdd): AllowAdded {
    const { hand } = this.#context;
    hand.checkAccepted();
    const parsed = parseCgroup(request.cgroup);
    if (!parsed.ok) throw new Refusal(2, `Expected a cgroup, ${CGROUP_FORM}: ${parsed.message}`);
    const fresh = { cgroup: formatCgroup(parsed.value), ...timesOf(hand.clock, request.ttl_s) };
    const { result, entry } = hand.allow(fresh, this.#install);
    this.#note(`${entry.cgroup} is exempt${until(entry)}`);
    const isWhole = entry.cgroup === "/" || entry.cgroup === "id:1";
    const warnings = isWhole
      ? [`the cgroup ${entry.cgroup} is every process: no rule applies to any now`]
      : [];
    return { result, cgroup: this.#exemptionView(entry), warnings };
  }

  /**
   * Ends an exemption.
   *
   * @throws {Refusal} 1 or 5.
   */
  disallow(cgroup: string): AllowRemoved {
    const { hand } = this.#context;
    hand.checkAccepted();
    const before = this.exemptions().cgroups.find((view) => view.cgroup === cgroup);
    const removed = hand.disallow(cgroup, this.#install);
    this.#note(`${removed.cgroup} is no longer exempt`);
    return { removed: before ?? this.#exemptionView(removed) };
  }

  #note(change: string): void {
    const { history, log } = this.#context;
    log(`by hand: ${change}`);
    history.append({ what: "hand", result: "done", reason: change });
  }

  readonly #install = (commit: () => void): void => {
    this.#context.engine.besideChanged(() => {
      commit();
      faultPoint("hand", "kept");
    });
    faultPoint("hand", "switched");
    this.#context.installed();
  };

  #checkLockout(fresh: Omit<HandRule, "id">, force: boolean): string[] {
    const { hand, locations, state: { identities } } = this.#context;
    const rule = policyRuleOf({ ...fresh, id: "by hand" }, hand.mode);
    const policy = { ...EMPTY_POLICY, rules: [rule] };
    const problems = lockoutProblems(policy, "deny add", locations, { identities });
    if (problems.length > 0 && !force) {
      const reasons = problems.map(({ message }) => message).join("; ");
      throw new Refusal(4, `This would lock the host out (--force overrides): ${reasons}`);
    }
    return problems.map(formatProblem);
  }

  #ruleView(rule: HandRule): HandRuleView {
    const { engine, hand, state } = this.#context;
    const found = engine.current?.resolution.targets.find((target) => target.rule.id === rule.id);
    const identity = found?.identity;
    return {
      id: rule.id,
      target: rule.target,
      deny: rule.ops,
      effect: effectOf({ mode: hand.mode }, state.backend),
      state: found && "path" in found.target && identity === undefined ? "waiting" : "bound",
      ...(identity === undefined ? {} : { identity: identityText(identity) }),
      ...this.#lasting(rule),
    };
  }

  #exemptionView(exemption: HandExemption): HandExemptionView {
    const waiting = this.#context.engine.current?.resolution.waitingCgroups ?? [];
    const isWaiting = waiting.some((cgroup) => formatCgroup(cgroup) === exemption.cgroup);
    return {
      cgroup: exemption.cgroup,
      state: isWaiting ? "waiting" : "bound",
      ...this.#lasting(exemption),
    };
  }

  #lasting(times: Times) {
    const { added, expires = null } = times;
    const left = secondsLeft(times, this.#context.hand.clock);
    return { added, expires, remaining_s: left === undefined ? null : Math.ceil(left) };
  }
}

const CGROUP_FORM = "a path below the cgroup2 root such as /system.slice/nginx.service, or id:5123";
const TARGET_FORM =
  "an absolute path, DIR/**, or MAJOR:MINOR:INO[:GENERATION] as stat -c %Hd:%Ld:%i shows it";

const EMPTY_POLICY = {
  version: 1,
  name: "by-hand",
  serial: 0,
  mode: "enforce",
  scopes: [],
  allow: { cgroups: [] },
} as const;

/** What a request asks to deny. */
function ruleOf(
  { target, ops, id }: DenyAdd,
): Pick<HandRule, "target" | "ops"> & { readonly id?: string } {
  const parsed = targetOf(target);
  if (!parsed.ok) throw new Refusal(2, `Expected ${TARGET_FORM}: ${parsed.message}`);
  const value = parsed.value;
  return {
    target: "path" in value ? formatPathTarget(value) : formatInodeTarget(value),
    ops: ops === undefined ? [...DEFAULT_OPERATIONS] : operations(ops),
    ...(id === undefined ? {} : { id: idOf(id) }),
  };
}

function operations(names: readonly string[]): HandRule["ops"] {
  const unknown = names.find((name) => !OPERATIONS.some((op) => op === name));
  if (unknown !== undefined || names.length === 0) {
    const meant = unknown === undefined ? undefined : nearest(unknown, OPERATIONS);
    const hint = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    throw new Refusal(
      2,
      `Expected operations of ${OPERATIONS.join(", ")}, got ${quote(unknown ?? "")}${hint}`,
    );
  }
  return OPERATIONS.filter((op) => names.includes(op));
}

/** With `hand:`, it fits the 63 bytes that the kernel side keeps. */
const MAX_NAME = 63 - HAND_PREFIX.length;

function idOf(name: string): string {
  if (!ID_PATTERN.test(name) || name.length > MAX_NAME) {
    throw new Refusal(
      2,
      `Expected a name of lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit, ` +
        `of at most ${MAX_NAME}, got ${quote(name)}`,
    );
  }
  return HAND_PREFIX + name;
}

function until({ expires }: { readonly expires?: string | undefined }): string {
  return expires === undefined ? "" : `, until ${expires}`;
}
