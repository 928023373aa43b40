/**
 * The policy in force: checks a new one, fills the idle set with it, and switches.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { SystemError } from "../../ffi/libc.ts";
import { AEGIS } from "../kernel/layout.ts";
import { type Identity, identityText } from "../kernel/packed.ts";
import type { Pins } from "../kernel/pins.ts";
import type { PolicySet } from "../kernel/set_builder.ts";
import type { KernelState } from "../kernel/state.ts";
import { RuleNumbers } from "../kernel/rule_numbers.ts";
import type { Mode, Policy } from "../policy/model.ts";
import { wantsEnforce } from "../policy/mode.ts";
import type { ResolvedPolicy, ResolvedTarget } from "../policy/resolve.ts";
import { carriedTo, type Carrier } from "./carry.ts";
import { checkPolicy } from "./check_policy.ts";
import { changedTargets, Enforcer } from "./enforcer.ts";
import {
  type ApplyOptions,
  type Beside,
  type CheckedPolicy,
  extendedBy,
  type ExtraRules,
  type InForce,
  isInForce,
  NO_RULES,
  NOTHING_BESIDE,
  type PendingPolicy,
  type WholePolicy,
  WITHOUT_POLICY,
} from "./in_force.ts";
import type { Locations } from "./locations.ts";
import type { PolicyStore } from "./policy_store.ts";
import { Refusal } from "./refusal.ts";
import { resolveSet, type ResolveSetOptions } from "./resolve_set.ts";

/** What the engine works with. */
export interface EngineContext {
  readonly state: KernelState;
  readonly pins: Pins;
  readonly store: PolicyStore;
  readonly locations: Locations;
  /** Overrides the policy's mode. */
  readonly mode?: Mode;
  /** By default nothing. */
  readonly beside?: Beside;
  /** Is called at once when a set has come into force. */
  readonly switched?: (() => void) | undefined;
}

/** Holds the policy in force and puts others into force. */
export class PolicyEngine {
  readonly numbers: RuleNumbers;
  readonly #context: EngineContext;
  readonly #enforcer: Enforcer;
  readonly #beside: Beside;
  readonly #carrier: Carrier;
  #current: InForce | undefined;
  /** Files that left their places and are no longer covered since the policy was applied. */
  #dropped = 0;
  #extra: ExtraRules = NO_RULES;
  #looks = 0;
  #pending: Omit<PendingPolicy, "deadlineNs"> | undefined;

  constructor(context: EngineContext) {
    this.#context = context;
    this.numbers = new RuleNumbers(context.state.maps.rule_names);
    this.#enforcer = new Enforcer(context.state, context.pins, context.switched);
    this.#beside = context.beside ?? NOTHING_BESIDE;
    this.#carrier = {
      state: context.state,
      enforcer: this.#enforcer,
      numbers: this.numbers,
      beside: this.#beside,
      most: MAX_KEPT,
    };
  }

  /** The policy in force; undefined before the first. */
  get current(): InForce | undefined {
    return this.#current;
  }

  /** The rules beside the policy in force, as {@linkcode withExtraRules} was given them; none after another policy. */
  get extra(): ExtraRules {
    return this.#extra;
  }

  /** How often every path of every rule has been looked at again. */
  get looks(): number {
    return this.#looks;
  }

  /** What the policy in force waits for, while it does. */
  get pending(): PendingPolicy | undefined {
    if (this.#pending === undefined) return undefined;
    return { ...this.#pending, deadlineNs: this.#context.state.control.confirmUntilNs };
  }

  /** Whether the policy asks for refusals, whatever this host can do. */
  get wantsEnforce(): boolean {
    return this.#current !== undefined && wantsEnforce(this.#current.policy);
  }

  /** A path by which the policy names a file; undefined where it names none. */
  pathOf(file: Identity): string | undefined {
    const text = identityText(file);
    const found = this.#current?.resolution.targets.find(({ identity }) =>
      identity !== undefined && identityText(identity) === text
    );
    return found && "path" in found.target ? found.target.path : undefined;
  }

  /**
   * Parses a policy and holds it against what locks hosts out.
   *
   * @throws {Refusal} 4, with every problem.
   */
  check(bytes: Uint8Array, file: string, { force = false }: ApplyOptions = {}): CheckedPolicy {
    return checkPolicy(this.#context, bytes, file, force);
  }

  /**
   * Puts a policy into force. What was in force stays until one store replaces it.
   *
   * @returns The policy in force afterwards, and whether that is new.
   * @throws {Refusal} 1 while another waits for confirmation, 3, 4; nothing has changed then.
   */
  apply(
    checked: CheckedPolicy,
    { dryRun = false, deadline, step = () => {} }: ApplyOptions = {},
  ): { inForce: InForce; applied: boolean } {
    const current = this.#current;
    if (current?.sha256 === checked.sha256) {
      return { inForce: dryRun ? current : this.#signedAnew(current, checked), applied: false };
    }
    if (!dryRun) this.#refuseWhilePending();
    const whole = this.#whole(checked);
    const carried = carriedTo(this.#carrier, this.#current, whole);
    const { set, resolution } = this.#resolve(whole, { dryRun, covered: carried.covered });
    if (dryRun) {
      return {
        inForce: { ...whole, resolution, missingHooks: [], generation: 0n, appliedNs: 0n },
        applied: false,
      };
    }
    const { store } = this.#context;
    store.keep(checked, checked.policy);
    step("kept");
    // All that a full disk could prevent is done before the switch.
    const staged = deadline ? undefined : store.stageCurrent(checked);
    const inForce = this.#switch(whole, set, resolution, { deadline, filled: () => step("filled") });
    if (deadline) this.#pending = { previous: current };
    carried.finish();
    step("switched");
    staged?.commit();
    step("current");
    this.#prune();
    return { inForce, applied: true };
  }

  /**
   * Goes on with a policy that an earlier agent put into force until a deadline.
   *
   * @param previous What comes back then; undefined where no policy was in force.
   */
  resume(checked: CheckedPolicy, previous: CheckedPolicy | undefined, step?: ApplyOptions["step"]): InForce {
    const { control } = this.#context.state;
    const { confirmUntilNs } = control;
    // Of the two slots one is needed to put the policy into. The other one decides meanwhile, as it is.
    control.revert();
    const { inForce } = this.apply(checked, { deadline: () => confirmUntilNs, ...(step ? { step } : {}) });
    this.#pending = { previous };
    return inForce;
  }

  /** Brings back what was in force before a policy of an earlier agent that waits for confirmation, or did. */
  giveUp(): void {
    this.#context.state.control.revert();
  }

  /** Lets the policy that waits for confirmation stay. */
  confirm(step: (point: "confirmed" | "current") => void = () => {}): void {
    const current = this.#current;
    if (this.#pending === undefined || current === undefined) return;
    const staged = this.#context.store.stageCurrent(current);
    this.#enforcer.confirm();
    step("confirmed");
    this.#pending = undefined;
    staged.commit();
    step("current");
  }

  /**
   * Brings the policy before the one that waits for confirmation back, as the kernel does at the deadline.
   *
   * @returns The policy in force afterwards; undefined where none was.
   */
  revert(): InForce | undefined {
    const pending = this.#pending;
    if (pending === undefined) return this.#current;
    const { previous } = pending;
    this.#pending = undefined;
    const isFollowed = this.#enforcer.revert();
    this.#current = isFollowed && previous && isInForce(previous) ? previous : undefined;
    if (this.#current === undefined) {
      // An earlier agent's: the kernel has it, this one has yet to look at its paths.
      const whole = this.#whole(previous ?? WITHOUT_POLICY);
      const carried = carriedTo(this.#carrier, undefined, whole);
      const { set, resolution } = this.#resolve(whole, { covered: carried.covered });
      this.#switch(whole, set, resolution);
      carried.finish();
    }
    return this.#current;
  }

  /**
   * Puts what is in force into force anew with what stands beside it now, with no policy too.
   *
   * @param commit Is called when the set is made and before it comes into force; if it throws, nothing has changed.
   * @throws {Refusal} 1 while a policy waits for confirmation, 3 or 4; nothing has changed then.
   */
  besideChanged(commit: () => void = () => {}): InForce {
    this.#refuseWhilePending();
    const whole = this.#whole(this.#current ?? WITHOUT_POLICY);
    const carried = carriedTo(this.#carrier, this.#current, whole);
    const { set, resolution } = this.#resolve(whole, carried);
    commit();
    const inForce = this.#switch(whole, set, resolution);
    carried.finish();
    return inForce;
  }

  /** The same policy needs nothing of the kernel, but another signature is kept: that of a new key, for example. */
  #signedAnew(current: InForce, checked: CheckedPolicy): InForce {
    const { signature, signer = null } = checked;
    const isSame = signature === undefined ||
      signer === current.signer && Buffer.compare(signature, current.signature ?? new Uint8Array()) === 0;
    if (isSame) return current;
    this.#context.store.keep(checked, checked.policy);
    return this.#current = { ...current, signature, signer };
  }

  #whole(checked: CheckedPolicy & { readonly own?: Policy }): WholePolicy {
    const own = checked.own ?? checked.policy;
    return { ...checked, own, policy: this.#beside.extend(own) };
  }

  /**
   * Puts the policy in force anew with other rules beside it, or, without an argument, with none. They are not part of
   * the policy: they are not kept, and {@linkcode current} does not have them.
   *
   * @throws {Refusal} 1 where no policy is in force, 3 or 4 as {@linkcode apply}; what was in force stays then.
   */
  withExtraRules(extra: ExtraRules = NO_RULES): InForce {
    const current = this.#current;
    if (current === undefined) throw new Refusal(1, "No policy is in force");
    this.#refuseWhilePending();
    const { policy } = current;
    const extended = extendedBy(policy, extra);
    // Files that left their places since the policy was applied are not found by looking at its paths again.
    const covered = this.#enforcer.covered(policy.rules.length);
    const { set, resolution } = this.#resolve({ ...current, policy: extended }, { covered });
    const inForce = this.#switch(current, set, resolution, { extra });
    this.#enforcer.coverAsBefore(policy.rules.length);
    return inForce;
  }

  /** What the kernel takes a path for; undefined where nothing is there. */
  identityOf(path: string): Identity | undefined {
    return this.#context.state.identities.of(path)?.identity;
  }

  /** Both sets are in use then: there is none to fill. */
  #refuseWhilePending(): void {
    if (this.#pending === undefined || this.#current === undefined) return;
    const { name, serial } = this.#current.policy;
    throw new Refusal(
      1,
      `${name}, serial ${serial}, waits for confirmation: first aegisbpf policy confirm, or aegisbpf policy rollback`,
    );
  }

  #prune(): void {
    const needed = [this.#current, this.#pending?.previous].flatMap((policy) => policy?.sha256 ?? []);
    this.#context.store.prune(needed);
  }

  #switch(
    checked: WholePolicy,
    set: PolicySet,
    resolution: ResolvedPolicy,
    { extra = NO_RULES, deadline, filled }: SwitchOptions = {},
  ): InForce {
    const { own, policy } = checked;
    const isNothing = own === WITHOUT_POLICY.policy &&
      policy.rules.length + policy.allow.cgroups.length === 0;
    const { generation, appliedNs, missingHooks } = this.#enforcer.install(
      set,
      {
        serial: BigInt(checked.policy.serial),
        sha256: checked.sha256,
        name: isNothing ? "" : checked.policy.name,
        enforce: wantsEnforce(checked.policy),
      },
      resolution,
      { deadline, filled },
    );
    const unseen = missingHooks.length === 0
      ? []
      : [`${this.#context.state.backend} does not see: ${missingHooks.join(", ")}`];
    const warnings = [...new Set([...checked.warnings, ...unseen])];
    const inForce = { ...checked, warnings, resolution, missingHooks, generation, appliedNs };
    this.#current = isNothing ? undefined : inForce;
    this.#extra = extra;
    return inForce;
  }

  /** Files that came to stand at rules' places and that the kernel side could not add to the set by itself. */
  get learnFailures(): number {
    return this.#enforcer.learnFailures;
  }

  /** Files that had left rules' places and are no longer covered, as a set has only so much room. */
  get droppedCovered(): number {
    return this.#dropped;
  }

  /** Whether the kernel side waits for {@linkcode follow}, or its set has little room left. */
  get mustFollow(): boolean {
    return this.#enforcer.mustFollow || this.#enforcer.isWorn;
  }

  /**
   * Looks at every path again, or at those of some rules, by their ids.
   *
   * @returns The targets at which something else stands now.
   */
  follow(rules?: ReadonlySet<string>): ResolvedTarget[] {
    // There is no set to make anew while both are in use; half of the room is left then.
    if (this.#enforcer.isWorn && this.#pending === undefined) return this.#renew();
    try {
      const changed = this.#enforcer.follow(rules);
      if (rules === undefined) this.#looks++;
      return changed;
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "E2BIG")) throw error;
      // What nobody has confirmed cannot be kept true any more: the policy before it is.
      this.revert();
      return this.#renew();
    }
  }

  /**
   * Puts the policy in force into a set with room for more. What left its places stays covered, until that is so much,
   * of which most is gone from disk, that it would slow down the filters.
   */
  #renew(): ResolvedTarget[] {
    const current = this.#current;
    if (current === undefined) return [];
    const before = current.resolution.targets;
    const policy = extendedBy(current.policy, this.#extra);
    const rules = policy.rules.length;
    const covered = this.#enforcer.covered(rules);
    const keeps = covered.length <= MAX_KEPT;
    if (!keeps) this.#dropped += covered.length;
    const { set, resolution } = this.#resolve({ ...current, policy }, keeps ? { covered } : {});
    this.#switch(current, set, resolution, { extra: this.#extra });
    if (keeps) this.#enforcer.coverAsBefore(rules);
    this.#looks++;
    return changedTargets(before, resolution.targets);
  }

  #resolve(
    checked: CheckedPolicy,
    options?: ResolveSetOptions,
  ): { readonly set: PolicySet; readonly resolution: ResolvedPolicy } {
    const { state, locations } = this.#context;
    return resolveSet({ state, locations, numbers: this.numbers }, checked, options);
  }
}

interface SwitchOptions {
  readonly extra?: ExtraRules;
  readonly deadline?: (() => bigint) | undefined;
  readonly filled?: (() => void) | undefined;
}

/** A quarter of the file filter's bytes. */
const MAX_KEPT = 1 << AEGIS.FILE_FILTER_BITS - 2;
