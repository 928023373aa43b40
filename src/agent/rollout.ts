/**
 * The life of policies on one host: each is applied, confirmed, rolled back or reverted, under the rules for serials,
 * and the history says so.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { bootTimeNs } from "../../ffi/clock.ts";
import type { Anchor } from "../kernel/anchor.ts";
import type { Degradation } from "./degradation.ts";
import { refuseExpired } from "./expiry.ts";
import { faultPoint } from "./fault_points.ts";
import { History } from "./history.ts";
import type { Happening, HistoryFact } from "./history_chain.ts";
import { HighWaterMark } from "./high_water.ts";
import type { ApplyOptions, CheckedPolicy, InForce } from "./in_force.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import type { KeptPolicy, PolicyStore } from "./policy_store.ts";
import type { Admission, Standing } from "./provenance.ts";
import { Refusal } from "./refusal.ts";
import type { SignedFile } from "./signed_file.ts";
import type { StartPlan } from "./start_plan.ts";

/** What a rollout works with. */
export interface RolloutContext {
  readonly engine: PolicyEngine;
  readonly store: PolicyStore;
  /** `/var/lib/aegisbpf` */
  readonly state: string;
  /** What the kernel keeps; undefined where nothing is pinned. */
  readonly anchor: Anchor | undefined;
  readonly log: (line: string) => void;
  /** Is told when another policy came into force without being asked for: one was not confirmed in time. */
  readonly reverted: () => void;
  /**
   * Whether a policy may be used at all, and who signed it. By default every one may.
   *
   * @throws {Refusal} 5 if it may not.
   */
  readonly admit?: (source: SignedFile, standing: Standing) => Pick<Admission, "signer" | "warnings">;
}

/** How to apply; see `policy apply`. */
export interface RolloutOptions extends Pick<ApplyOptions, "dryRun" | "force"> {
  /** Seconds until the policy before it comes back, unless it is confirmed. */
  readonly confirmWithinS?: number | undefined;
}

/** What came of it. */
export interface Outcome {
  readonly inForce: InForce;
  readonly applied: boolean;
  readonly warnings: readonly string[];
}

/** A policy that waits for confirmation. */
export interface Waiting {
  readonly name: string;
  readonly serial: number;
  /** Of the policy that comes back; null where none was in force. */
  readonly previous: number | null;
  /** Until then, seconds. */
  readonly remainingS: number;
}

/** Applies, confirms and takes back. */
export class Rollout {
  readonly history: History;
  readonly mark: HighWaterMark;
  readonly #context: RolloutContext;
  /** The policy that this waits for. */
  #waiting: InForce | undefined;
  #lastRevert: string | undefined;

  /** Opens the history and what is known of serials; what is wrong with them is reported. */
  constructor(context: RolloutContext) {
    const { state, anchor, log } = context;
    this.#context = context;
    this.history = new History(state, anchor, log);
    this.mark = new HighWaterMark(state, anchor, this.history.entries);
    for (const problem of this.mark.problems) {
      log(`serials: ${problem}`);
      this.history.append({ what: "damage", result: "found", reason: problem });
    }
  }

  /** The policy that waits for confirmation; undefined where none does. */
  get waiting(): Waiting | undefined {
    const { pending, current } = this.#context.engine;
    if (pending === undefined || current === undefined) return undefined;
    const { name, serial } = current.policy;
    const remainingS = Math.max(0, Number(pending.deadlineNs - bootTimeNs()) / 1e9);
    return { name, serial, previous: pending.previous?.policy.serial || null, remainingS };
  }

  /** What was wrong with the history and the serials, one line each. */
  get problems(): readonly string[] {
    const { unwritten, problems } = this.history;
    const lost = unwritten === 0 ? [] : [`${unwritten} entries of the history could not be written yet`];
    return [...problems, ...this.mark.problems, ...lost];
  }

  /** What else lowers what the host gets, or may. */
  get notes(): readonly Degradation[] {
    const { waiting } = this;
    const pending = waiting && `${waiting.name}, serial ${waiting.serial}, waits for confirmation: ` +
        `${Math.ceil(waiting.remainingS)} s are left`;
    return [
      ...(pending === undefined ? [] : [{ code: "policy_pending", detail: pending } as const]),
      ...(this.#lastRevert === undefined
        ? []
        : [{ code: "policy_reverted", detail: this.#lastRevert } as const]),
    ];
  }

  /**
   * Begins with the policy that the agent was started for, or that was in force.
   *
   * @returns Undefined where there is no policy yet.
   * @throws {Refusal} 4 or 5.
   */
  start(plan: StartPlan): Outcome | undefined {
    const { engine } = this.#context;
    if (plan.givenUp) {
      const { serial, name, sha256, reason } = plan.givenUp;
      engine.giveUp();
      this.history.append({ what: "revert", result: "done", serial: Number(serial), name, sha256, reason });
      this.#noteRevert(name, Number(serial), reason);
    }
    if (plan.source === undefined) return undefined;
    const { standing } = plan;
    const checked = this.#check(plan.source, standing, { force: true });
    if (standing === "new") this.#checkNew(checked);
    const fact = { what: "start", ...(plan.reason === undefined ? {} : { reason: plan.reason }) } as const;
    if (plan.resume === undefined) {
      return this.#put(checked, fact, { step: (point) => faultPoint("start", point) });
    }
    const { previous } = plan.resume;
    const before = previous && this.#check(previous, "in-force", { force: true });
    const inForce = engine.resume(checked, before, (point) => faultPoint("start", point));
    this.#waiting = inForce;
    this.history.append({ ...fact, result: "pending", ...factsOf(checked) });
    return { inForce, applied: true, warnings: checked.warnings };
  }

  /**
   * Puts a new policy into force.
   *
   * @throws {Refusal} 1 while another waits for confirmation, 3, 4 or 5; nothing has changed then.
   */
  apply(source: SignedFile, { dryRun = false, force = false, confirmWithinS }: RolloutOptions): Outcome {
    const { engine } = this.#context;
    let checked: CheckedPolicy | undefined;
    try {
      checked = this.#check(source, "new", { dryRun, force });
      if (engine.current?.sha256 !== checked.sha256) this.#checkNew(checked);
      if (dryRun) return { ...engine.apply(checked, { dryRun }), warnings: checked.warnings };
      const fact = confirmWithinS === undefined
        ? { what: "apply" } as const
        : { what: "apply", confirm_within_s: confirmWithinS } as const;
      return this.#put(checked, fact, {
        step: (point) => faultPoint("apply", point),
        ...(confirmWithinS === undefined ? {} : { deadline: () => bootTimeNs() + seconds(confirmWithinS) }),
      });
    } catch (error) {
      if (!dryRun) this.#recordRefusal("apply", error, checked ? factsOf(checked) : unreadFacts(source));
      throw error;
    }
  }

  /**
   * Goes back to a policy that is kept: to one with a serial, or by default to the one before the policy in force. While
   * a policy waits for confirmation, that is the one that would come back.
   *
   * @throws {Refusal} 1 where there is none, 3, 4 or 5; nothing has changed then.
   */
  rollback(serial?: number): Outcome {
    const { engine } = this.#context;
    const { pending } = engine;
    if (pending && (serial === undefined || serial === pending.previous?.policy.serial)) {
      const { current: inForce } = this.#takeBack("rollback", "it was taken back before it was confirmed");
      if (inForce === undefined) throw new Refusal(1, "No policy was in force before it, and none is now");
      return { inForce, applied: true, warnings: inForce.warnings };
    }
    let kept: KeptPolicy | undefined;
    try {
      kept = this.#choose(serial);
      const stored = this.#context.store.read(kept.sha256);
      if (stored === undefined) {
        throw new Refusal(1, `The policy with serial ${kept.serial} is damaged; ${this.#choices()}`);
      }
      const checked = this.#check(stored, "kept", { force: true });
      // An apply is refused while one waits; going back is not: what waits is given up first.
      if (pending) this.#takeBack("revert", `it was given up for serial ${kept.serial}`);
      return this.#put(checked, { what: "rollback" }, { step: (point) => faultPoint("rollback", point) });
    } catch (error) {
      this.#recordRefusal("rollback", error, kept ? { serial: kept.serial, sha256: kept.sha256 } : {});
      throw error;
    }
  }

  /**
   * Lets the policy that waits for confirmation stay.
   *
   * @throws {Refusal} 1 where none does, or its time has run out.
   */
  confirm(): InForce {
    const { engine } = this.#context;
    this.tick();
    const { current } = engine;
    if (engine.pending === undefined || current === undefined) {
      throw new Refusal(1, this.#lastRevert ?? "No policy waits for confirmation");
    }
    engine.confirm((point) => faultPoint("confirm", point));
    this.#waiting = undefined;
    this.history.append({ what: "confirm", result: "done", ...factsOf(current) });
    faultPoint("confirm", "recorded");
    return current;
  }

  /** Notices a deadline that has passed, and writes what could not be written before. To be called often. */
  tick(): void {
    const { engine } = this.#context;
    if (this.history.unwritten > 0) this.history.flush();
    const { pending } = engine;
    if (this.#waiting && pending === undefined) {
      this.#recordRevert("revert", this.#waiting, "the set had no more room to follow the file system");
    } else if (pending && bootTimeNs() >= pending.deadlineNs) {
      this.#takeBack("revert", "it was not confirmed in time");
    }
  }

  #takeBack(what: "rollback" | "revert", reason: string): { readonly current: InForce | undefined } {
    const { engine } = this.#context;
    const given = engine.current;
    engine.revert();
    faultPoint(what, "reverted");
    if (given) this.#recordRevert(what, given, reason);
    return { current: engine.current };
  }

  #recordRevert(what: "rollback" | "revert", given: InForce, reason: string): void {
    const { current } = this.#context.engine;
    this.#waiting = undefined;
    // A rollback is about the policy that came back, a revert about the one that did not stay.
    const facts = what === "rollback" && current
      ? { ...factsOf(current), from: given.policy.serial }
      : factsOf(given);
    this.history.append({ what, result: "done", ...facts, reason });
    faultPoint(what, "recorded");
    if (what === "revert") this.#noteRevert(given.policy.name, given.policy.serial, reason);
    this.#context.reverted();
  }

  #noteRevert(name: string, serial: number, reason: string): void {
    const { current } = this.#context.engine;
    const back = current ? `; serial ${current.policy.serial} is in force again` : "";
    this.#lastRevert = `${name}, serial ${serial}, was taken back: ${reason}${back}`;
    this.#context.log(this.#lastRevert);
  }

  /** First whose policy it is; then, from the same bytes, what it says. */
  #check(source: SignedFile, standing: Standing, options: ApplyOptions): CheckedPolicy {
    const { signer = null, warnings = [] } = this.#context.admit?.(source, standing) ?? {};
    const checked = this.#context.engine.check(source.bytes, source.file, options);
    return {
      ...checked,
      signer,
      ...(source.signature ? { signature: source.signature } : {}),
      warnings: [...warnings, ...checked.warnings],
    };
  }

  /** What is asked of a policy that this host does not have in force. */
  #checkNew(checked: CheckedPolicy): void {
    this.mark.check(markOf(checked));
    refuseExpired(checked.policy, checked.file);
  }

  #put(
    checked: CheckedPolicy,
    fact: { readonly what: Happening; readonly reason?: string; readonly confirm_within_s?: number },
    options: ApplyOptions,
  ): Outcome {
    const { engine } = this.#context;
    // Rules by hand without a policy have the serial 0.
    const from = engine.current?.policy.serial || undefined;
    const signed = engine.current;
    const { inForce, applied } = engine.apply(checked, {
      ...options,
      step: (point) => {
        options.step?.(point);
        if (point !== "filled") return;
        this.mark.raise(markOf(checked));
        faultPoint(fact.what, "accepted");
      },
    });
    if (applied) {
      this.#waiting = options.deadline ? inForce : undefined;
      if (fact.what !== "start") this.#lastRevert = undefined;
      const before = from === undefined ? {} : { from };
      const result = options.deadline ? "pending" : "done";
      this.history.append({ ...fact, result, ...factsOf(checked), ...before });
      faultPoint(fact.what, "recorded");
    } else if (inForce !== signed) {
      const reason = "it was in force already; its new signature is kept";
      this.history.append({ ...fact, result: "done", ...factsOf(inForce), reason });
    }
    return { inForce, applied, warnings: checked.warnings };
  }

  #choose(serial: number | undefined): KeptPolicy {
    const { kept } = this.#context.store;
    const current = this.#context.engine.current;
    if (serial !== undefined) {
      const found = kept.findLast((one) => one.serial === serial);
      if (found === undefined) {
        throw new Refusal(1, `No policy with serial ${serial} is kept; ${this.#choices()}`);
      }
      return found;
    }
    const earlier = kept.filter((one) => one.good && one.serial < (current?.policy.serial || Infinity));
    const found = earlier.toSorted((one, other) => one.serial - other.serial).at(-1);
    if (found === undefined) throw new Refusal(1, `No earlier policy is kept; ${this.#choices()}`);
    return found;
  }

  #choices(): string {
    const serials = this.#context.store.kept.map(({ serial }) => serial).sort((one, other) => one - other);
    return serials.length === 0 ? "none is kept" : `kept are ${serials.join(", ")}`;
  }

  #recordRefusal(what: Happening, error: unknown, facts: Partial<HistoryFact>): void {
    if (!(error instanceof Refusal)) return;
    const reason = error.message.split("\n")[0] ?? "";
    this.history.append({ what, result: "refused", ...facts, exit: error.exit, reason });
  }
}

function markOf({ policy, sha256, file }: CheckedPolicy): { serial: number; sha256: string; file: string } {
  return { serial: policy.serial, sha256, file };
}

function factsOf({ policy, sha256, file, signer }: CheckedPolicy): Partial<HistoryFact> {
  return { serial: policy.serial, name: policy.name, sha256, signer: signer ?? null, file };
}

/** What is known of a policy of which nothing may be believed. */
function unreadFacts({ bytes, file }: SignedFile): Partial<HistoryFact> {
  return { sha256: createHash("sha256").update(bytes).digest("hex"), file };
}

function seconds(count: number): bigint {
  return BigInt(Math.round(count * 1e9));
}
