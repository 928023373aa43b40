/**
 * Keeps a resolved policy true in the kernel: puts it into force with the hooks that it needs, and follows the file
 * system where the kernel side cannot.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { BpfLoadError } from "../../ffi/load_error.ts";
import { type Hook, hookOfProgram, hookProgram, HOOKS } from "../kernel/backend.ts";
import { readCounters } from "../kernel/counters.ts";
import type { SetIndex } from "../kernel/control.ts";
import type { SetEntry } from "../kernel/entries.ts";
import { coveredThings } from "../kernel/learnt.ts";
import { LiveSet } from "../kernel/live_set.ts";
import type { Pins } from "../kernel/pins.ts";
import type { PolicySet } from "../kernel/set_builder.ts";
import { fillIdleSet, type PolicyLabel, ROOM_TO_LEARN, switchTo } from "../kernel/sets.ts";
import { attachHooks, type KernelState } from "../kernel/state.ts";
import { identityText } from "../kernel/packed.ts";
import type { ResolvedPolicy, ResolvedTarget } from "../policy/resolve.ts";
import { type Carry, carryAll } from "./carry.ts";
import { Refusal } from "./refusal.ts";

/** What came into force. */
export interface Installed {
  readonly generation: bigint;
  readonly appliedNs: bigint;
  /** Hooks that rules need and this backend does not see. */
  readonly missingHooks: readonly Hook[];
}

/** A set in the kernel with the policy that it is made of. */
interface Followed {
  readonly live: LiveSet;
  readonly resolved: ResolvedPolicy;
  readonly hooks: readonly Hook[];
  /** What the kernel side had added to sets by itself when this one came into force. */
  readonly learntBefore: bigint;
  /** Likewise what it could not add. */
  readonly failedBefore: bigint;
}

/** Puts policies into force and follows them. */
export class Enforcer {
  readonly #state: KernelState;
  readonly #pins: Pins;
  readonly #switched: () => void;
  #current: Followed | undefined;
  /** What comes back unless the current one is confirmed. */
  #previous: Followed | undefined;

  /** @param switched Is called at once when a set has come into force. By default nothing is. */
  constructor(state: KernelState, pins: Pins, switched: () => void = () => {}) {
    this.#state = state;
    this.#pins = pins;
    this.#switched = switched;
  }

  /**
   * Puts a set into force. Its hooks are attached first and watch the set while it is filled; then every path is looked
   * at again, so that no change is missed between the first look and the switch.
   *
   * @param deadline When the set that is in force comes back, unless this one is confirmed; `CLOCK_BOOTTIME`
   * nanoseconds, asked for when this one comes into force. By default never.
   * @throws {Refusal} 3 if a hook that a rule needs cannot be attached; what was in force stays.
   */
  install(
    set: PolicySet,
    label: PolicyLabel,
    resolved: ResolvedPolicy,
    { deadline, filled }: {
      readonly deadline?: (() => bigint) | undefined;
      readonly filled?: (() => void) | undefined;
    } = {},
  ): Installed {
    const missingHooks = set.hooks.filter((hook) => hookProgram(this.#state.backend, hook) === undefined);
    this.#attach(set.hooks);
    const index = fillIdleSet(this.#state, set, label);
    const live = new LiveSet(this.#state, index, set.known);
    try {
      resolved.resolve(this.#state.identities, live);
    } catch (error) {
      live[Symbol.dispose]();
      throw error;
    }
    filled?.();
    switchTo(this.#state, index, { live: set.live | live.live }, deadline?.());
    this.#switched();
    const before = this.#current;
    const { LEARNT: learntBefore, LEARN_FAILED: failedBefore } = readCounters(this.#state.maps);
    this.#current = { live, resolved, hooks: set.hooks, learntBefore, failedBefore };
    if (deadline) this.#previous = before;
    else {
      before?.live[Symbol.dispose]();
      this.#drop(set.hooks);
    }
    const { generation, appliedNs } = this.#state.control.setInfo(index);
    return { generation, appliedNs, missingHooks };
  }

  /** Lets the set that waits for confirmation stay. */
  confirm(): void {
    this.#state.control.confirm();
    this.#previous?.live[Symbol.dispose]();
    this.#previous = undefined;
    if (this.#current) this.#drop(this.#current.hooks);
  }

  /**
   * Brings the set before the one that waits for confirmation back.
   *
   * @returns Whether it is one that this enforcer installed and goes on following.
   */
  revert(): boolean {
    this.#state.control.revert();
    this.#current?.live[Symbol.dispose]();
    this.#current = this.#previous;
    this.#previous = undefined;
    if (this.#current) this.#drop(this.#current.hooks);
    return this.#current !== undefined;
  }

  /**
   * Looks at every path again, or at those of some rules, and adds what is new to the set in force, and to the one that
   * may come back.
   *
   * @param rules Ids of rules; by default all.
   * @returns Targets at which something else stands than at the last look.
   */
  follow(rules?: ReadonlySet<string>): ResolvedTarget[] {
    if (this.#current === undefined) return [];
    const { control, identities } = this.#state;
    const { resolved } = this.#current;
    const moved = control.moved;
    const before = resolved.targets;
    for (const { live, resolved } of [this.#current, ...(this.#previous ? [this.#previous] : [])]) {
      if (rules) resolved.resolveRules(rules, identities, live);
      else resolved.resolve(identities, live);
    }
    if (!rules && moved !== 0) control.settleMoved(moved);
    return changedTargets(before, resolved.targets);
  }

  /** Files that the kernel side could not add to the set in force by itself. */
  get learnFailures(): number {
    if (this.#current === undefined) return 0;
    return Number(readCounters(this.#state.maps).LEARN_FAILED - this.#current.failedBefore);
  }

  /** Whether files that came to stand at the policy's places have used up half of the set's room. */
  get isWorn(): boolean {
    if (this.#current === undefined) return false;
    const { live, learntBefore } = this.#current;
    const learnt = Number(readCounters(this.#state.maps).LEARNT - learntBefore);
    return learnt + live.added >= ROOM_TO_LEARN / 2;
  }

  /** What the first `rules` rules of the set in force cover, whether found or learnt, as another set has it. */
  covered(rules: number, carry: Carry = carryAll): SetEntry[] {
    const { control } = this.#state;
    return coveredThings(this.#state, control.liveIndex(), rules + CANARY_RULES).flatMap((entry) =>
      carry(entry) ?? []
    );
  }

  /** Adds what the set before covers by its first `rules` rules: it may have learnt more until the switch. */
  coverAsBefore(rules: number, carry: Carry = carryAll): void {
    const before = (this.#state.control.liveIndex() ^ 1) as SetIndex;
    for (const entry of coveredThings(this.#state, before, rules + CANARY_RULES)) {
      const carried = carry(entry);
      if (carried) this.#current?.live.add(carried);
    }
  }

  /** Whether the kernel side waits for the agent to look. */
  get mustFollow(): boolean {
    return this.#state.control.moved !== 0;
  }

  #attach(hooks: readonly Hook[]): void {
    const before = new Set(this.#state.links.keys());
    try {
      this.#pins.addLinks(this.#state, attachHooks(this.#state, hooks));
    } catch (error) {
      if (!(error instanceof BpfLoadError || error instanceof SystemError)) throw error;
      this.#pins.dropLinks(this.#state, [...this.#state.links.keys()].filter((name) => !before.has(name)));
      throw new Refusal(
        3,
        `a program that a rule needs does not attach here: ${error.message.split("\n")[0]}`,
      );
    }
  }

  #drop(needed: readonly Hook[]): void {
    const obsolete = [...this.#state.links.keys()].filter((name) => {
      const hook = hookOfProgram(name);
      return hook !== undefined && HOOKS.includes(hook) && !needed.includes(hook);
    });
    this.#pins.dropLinks(this.#state, obsolete);
  }
}

/** Those targets at which something else stands than before. */
export function changedTargets(
  before: readonly ResolvedTarget[],
  now: readonly ResolvedTarget[],
): ResolvedTarget[] {
  const texts = before.map(textOf);
  return now.filter((target, index) => textOf(target) !== texts[index]);
}

/** Every set begins with the canary's. */
const CANARY_RULES = 1;

function textOf({ identity }: ResolvedTarget): string {
  return identity ? identityText(identity) : "";
}
