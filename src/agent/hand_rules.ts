/**
 * Rules and exemptions by hand: kept over restarts, beside every policy, each for as long as it was asked for.
 *
 * @module
 */
import type { CgroupRef, InodeTarget, Mode, PathTarget, Policy, Rule } from "../policy/model.ts";
import { nearest } from "../policy/suggest.ts";
import { parseCgroup, quote } from "../policy/syntax.ts";
import {
  HAND_PREFIX,
  type HandContent,
  type HandExemption,
  HandFile,
  type HandRule,
  isHandId,
  MAX_BY_HAND,
  NOTHING_BY_HAND,
  targetOf,
} from "./hand_file.ts";
import { type HandClock, hostClock, secondsLeft, type Times } from "./hand_time.ts";
import type { Beside } from "./in_force.ts";
import { Refusal } from "./refusal.ts";

/** What rules by hand work with. */
export interface HandOptions {
  /** `/var/lib/aegisbpf`, which exists. */
  readonly state: string;
  /** The agent's `--mode`: `audit` is every rule's then. */
  readonly mode?: Mode | undefined;
  /** Why rules by hand are refused here; undefined: they are not. */
  readonly refused?: string | undefined;
  /** By default the host's. */
  readonly clock?: HandClock;
}

/** Puts what is in force into force anew; `commit` is called when the set is made and is not yet in force. */
export type Install = (commit: () => void) => void;

/** What became of something that was added: `renewed` lasts as long as is said now. */
export interface Changed<Entry> {
  readonly result: "added" | "renewed";
  readonly entry: Entry;
}

/** The rules and exemptions by hand of one host. */
export class HandRules implements Beside {
  /** What was wrong with the file, and what is left out, one line each. */
  readonly notes: readonly string[];
  readonly #options: HandOptions;
  readonly #file: HandFile;
  readonly clock: HandClock;
  #content: HandContent = NOTHING_BY_HAND;

  /** Reads what is kept. */
  constructor(options: HandOptions) {
    this.#options = options;
    this.clock = options.clock ?? hostClock();
    this.#file = new HandFile(options.state);
    const { content, notes } = this.#file.read();
    const count = content.deny.length + content.allow.length;
    const isRefused = options.refused !== undefined && count > 0;
    if (!isRefused) this.#content = content;
    this.notes = isRefused
      ? [...notes, `${count} rules and exemptions by hand are left out: ${options.refused}`]
      : notes;
  }

  /** The rules that last. */
  get rules(): readonly HandRule[] {
    return this.#content.deny.filter((entry) => this.#lasts(entry));
  }

  /** The exemptions that last. */
  get exemptions(): readonly HandExemption[] {
    return this.#content.allow.filter((entry) => this.#lasts(entry));
  }

  /** Whether there is nothing that lasts. */
  get isEmpty(): boolean {
    return this.rules.length + this.exemptions.length === 0;
  }

  /** The mode of every rule by hand. */
  get mode(): Mode {
    return this.#options.mode ?? "enforce";
  }

  /** Whether some rule is to be refused where the host can. */
  get wantsEnforce(): boolean {
    return this.mode === "enforce" && this.rules.length > 0;
  }

  extend(policy: Policy): Policy {
    const exempt = this.exemptions.flatMap(({ cgroup }) => cgroupOf(cgroup) ?? []);
    return {
      ...policy,
      rules: [...policy.rules, ...this.rules.map((rule) => policyRuleOf(rule, this.mode))],
      allow: { cgroups: [...policy.allow.cgroups, ...exempt] },
    };
  }

  includes(this: void, { id }: Pick<Rule, "id">): boolean {
    return isHandId(id);
  }

  /**
   * Refuses where only signed policies are accepted.
   *
   * @throws {Refusal} 5
   */
  checkAccepted(): void {
    const { refused } = this.#options;
    if (refused !== undefined) throw new Refusal(5, `Rules by hand are refused: ${refused}`);
  }

  /**
   * Adds a rule, or, where one without a name of its own is there for the same, lets that last longer or shorter.
   *
   * @param fresh Without an id: it gets the next number.
   * @throws {Refusal} 1 if the id is taken, 2 if there are too many; nothing has changed then.
   */
  deny(fresh: Omit<HandRule, "id"> & { readonly id?: string }, install: Install): Changed<HandRule> {
    const { rules } = this;
    const same = fresh.id === undefined ? rules.find((rule) => isSame(rule, fresh)) : undefined;
    if (same) {
      const entry = { ...fresh, id: same.id, added: same.added };
      this.#change({ deny: rules.map((rule) => rule === same ? entry : rule) }, install);
      return { result: "renewed", entry };
    }
    if (rules.some(({ id }) => id === fresh.id)) {
      throw new Refusal(
        1,
        `There is a rule ${fresh.id} already; aegisbpf deny remove ${fresh.id} removes it`,
      );
    }
    checkRoom(rules, "rules");
    const number = this.#freeNumber();
    const entry = { ...fresh, id: fresh.id ?? `${HAND_PREFIX}${number}` };
    const next = fresh.id === undefined ? { next: number + 1 } : {};
    this.#change({ deny: [...rules, entry], ...next }, install);
    return { result: "added", entry };
  }

  /**
   * Removes the rule of an id, with or without `hand:`, or every rule for a target.
   *
   * @throws {Refusal} 1 where there is none.
   */
  undeny(name: string, install: Install): HandRule[] {
    const { rules } = this;
    const id = isHandId(name) ? name : HAND_PREFIX + name;
    const found = rules.filter((rule) => rule.id === id || rule.target === name);
    if (found.length === 0) {
      const hint = hintAt(name, rules.flatMap((rule) => [rule.id, rule.target]));
      throw new Refusal(
        1,
        `No rule by hand is or names ${quote(name)}${hint}; aegisbpf deny list shows them`,
      );
    }
    this.#change({ deny: rules.filter((rule) => !found.includes(rule)) }, install);
    return found;
  }

  /**
   * Exempts a cgroup, or lets an exemption that is there last longer or shorter.
   *
   * @throws {Refusal} 2 if there are too many; nothing has changed then.
   */
  allow(fresh: HandExemption, install: Install): Changed<HandExemption> {
    const { exemptions } = this;
    const same = exemptions.find(({ cgroup }) => cgroup === fresh.cgroup);
    if (same) {
      const entry = { ...fresh, added: same.added };
      this.#change({ allow: exemptions.map((one) => one === same ? entry : one) }, install);
      return { result: "renewed", entry };
    }
    checkRoom(exemptions, "cgroups");
    this.#change({ allow: [...exemptions, fresh] }, install);
    return { result: "added", entry: fresh };
  }

  /**
   * Ends an exemption.
   *
   * @throws {Refusal} 1 where there is none.
   */
  disallow(cgroup: string, install: Install): HandExemption {
    const { exemptions } = this;
    const found = exemptions.find((one) => one.cgroup === cgroup);
    if (found === undefined) {
      const hint = hintAt(cgroup, exemptions.map((one) => one.cgroup));
      throw new Refusal(
        1,
        `The cgroup ${quote(cgroup)} is not exempt by hand${hint}; aegisbpf allow list shows those that are`,
      );
    }
    this.#change({ allow: exemptions.filter((one) => one !== found) }, install);
    return found;
  }

  /** Takes out what has run out, of the kernel too where the file cannot be written; gives a line for each. */
  expire(install: Install): string[] {
    const { deny, allow } = this.#content;
    const [rules, exemptions] = [this.rules, this.exemptions];
    if (rules.length === deny.length && exemptions.length === allow.length) return [];
    install(() => {});
    this.#content = { ...this.#content, deny: [...rules], allow: [...exemptions] };
    const ended = [
      ...deny.filter((rule) => !rules.includes(rule)).map(({ id, target }) =>
        `rule ${id} (${target}) has run out`
      ),
      ...allow.filter((one) => !exemptions.includes(one)).map(({ cgroup }) =>
        `the exemption of ${cgroup} has run out`
      ),
    ];
    try {
      this.#file.write(this.#content);
      return ended;
    } catch (error) {
      // What has run out is left out when the file is read again.
      return [...ended, `cannot write that down: ${error instanceof Error ? error.message : error}`];
    }
  }

  /** Changes what is kept and what is in force, or neither. */
  #change(change: Partial<HandContent>, install: Install): void {
    const before = this.#content;
    const after = { ...before, deny: [...this.rules], allow: [...this.exemptions], ...change };
    let isWritten = false;
    this.#content = after;
    try {
      install(() => {
        isWritten = true;
        this.#write(after);
      });
    } catch (error) {
      this.#content = before;
      if (isWritten) this.#write(before);
      throw error;
    }
  }

  #write(content: HandContent): void {
    try {
      this.#file.write(content);
    } catch (error) {
      const reason = error instanceof Error ? error.message : error;
      throw new Refusal(70, `Cannot keep what is by hand: ${reason}; nothing was changed`);
    }
  }

  #lasts(entry: Times): boolean {
    return secondsLeft(entry, this.clock) !== 0;
  }

  #freeNumber(): number {
    const taken = new Set(this.rules.map(({ id }) => id));
    let number = this.#content.next;
    while (taken.has(`${HAND_PREFIX}${number}`)) number++;
    return number;
  }
}

/** A rule by hand as a policy would have it. */
export function policyRuleOf({ id, target, ops }: Pick<HandRule, "id" | "target" | "ops">, mode: Mode): Rule {
  const parsed = targetOf(target);
  const value: PathTarget | InodeTarget | undefined = parsed.ok ? { ...parsed.value, line: 0 } : undefined;
  return {
    id,
    line: 0,
    paths: value && "path" in value ? [value] : [],
    inodes: value && !("path" in value) ? [value] : [],
    ops,
    in: [],
    except: { cgroups: [], exe: [], uids: [] },
    mode,
    signal: "none",
  };
}

function cgroupOf(text: string): CgroupRef | undefined {
  const parsed = parseCgroup(text);
  return parsed.ok ? { ...parsed.value, line: 0 } : undefined;
}

function isSame(one: Omit<HandRule, "id">, other: Omit<HandRule, "id">): boolean {
  return one.target === other.target && one.ops.join() === other.ops.join();
}

function checkRoom(entries: readonly unknown[], what: string): void {
  if (entries.length >= MAX_BY_HAND) {
    throw new Refusal(2, `Expected at most ${MAX_BY_HAND} ${what} by hand; put lasting ones into the policy`);
  }
}

function hintAt(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === undefined ? "" : ` (did you mean ${quote(meant)}?)`;
}
