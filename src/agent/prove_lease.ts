/**
 * The agent's side of `prove`: for as long as it runs, rules for decoys stand beside the policy in force, for scratch
 * cgroups. Nothing of them is kept, and when `prove` dies they go by themselves.
 *
 * @module
 */
import type { CgroupByPath, Exceptions, InodeTarget, PathTarget, Rule } from "../policy/model.ts";
import type { ExtraRules, InForce } from "./in_force.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import type { ProveBegin, ProveBegun, ProveCallers, ProveEnded, ProveLook, ProveRule } from "./prove_api.ts";
import { Refusal } from "./refusal.ts";

/** How the lease reaches the rest of the agent. */
export interface ProveContext {
  readonly engine: PolicyEngine;
  /** A set came into force. */
  readonly installed: () => void;
  /** Decisions of rules so far, by their ids. */
  readonly decisions: (rules: readonly string[]) => Record<string, number>;
  readonly log: (line: string) => void;
  /** For how long without a sign of `prove` its rules stay, in milliseconds. Default: two minutes. */
  readonly leaseMs?: number;
}

/** At most one `prove` at a time. */
export class ProveLease {
  readonly #context: ProveContext;
  #lease: { readonly extra: ExtraRules; timer: ReturnType<typeof setTimeout> } | undefined;

  constructor(context: ProveContext) {
    this.#context = context;
  }

  /**
   * Puts the policy in force again, with rules for the decoys like those that are to be proved.
   *
   * @throws {Refusal} 1 where there is no policy or no such rule, or another `prove` runs.
   */
  begin({ callers, rules }: ProveBegin): ProveBegun {
    if (this.#lease) throw new Refusal(1, "Another prove is running; try again when it has ended");
    const { engine } = this.#context;
    const { current } = engine;
    if (current === undefined) throw new Refusal(1, "No policy is in force");
    const except = exceptionsOf(callers);
    const extra: ExtraRules = {
      rules: rules.map((asked, number) => {
        const rule = current.policy.rules.find(({ id }) => id === asked.rule);
        if (rule === undefined) throw new Refusal(1, `No rule ${asked.rule} is in force`);
        return { ...decoyRule(rule, asked, engine), id: decoyId(rule.id, number), in: [SCOPE], except };
      }),
      scopes: [{ name: SCOPE, cgroups: callers.members.map(cgroupOf), line: 0 }],
    };
    const { generation } = this.#install(() => engine.withExtraRules(extra));
    this.#lease = { extra, timer: this.#expiry() };
    return { rules: extra.rules.map(({ id }) => id), generation: Number(generation) };
  }

  /** How it stands; the lease begins anew. */
  look(): ProveLook {
    const { engine, decisions } = this.#context;
    const lease = this.#lease;
    if (lease) {
      clearTimeout(lease.timer);
      lease.timer = this.#expiry();
    }
    return {
      held: lease !== undefined && engine.extra === lease.extra,
      looks: engine.looks,
      decisions: decisions(lease?.extra.rules.map(({ id }) => id) ?? []),
    };
  }

  /** Takes the decoys' rules back, unless another policy has come into force and they are gone already. */
  end(): ProveEnded {
    const lease = this.#lease;
    if (lease === undefined) return { held: false };
    clearTimeout(lease.timer);
    this.#lease = undefined;
    const { engine } = this.#context;
    const held = engine.extra === lease.extra;
    if (held) this.#install(() => engine.withExtraRules());
    return { held };
  }

  #expiry(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#context.log("prove did not end in time: its rules are taken back");
      this.end();
    }, this.#context.leaseMs ?? LEASE_MS);
  }

  #install(install: () => InForce): InForce {
    const inForce = install();
    this.#context.installed();
    return inForce;
  }
}

const LEASE_MS = 120_000;
/** Not a name that a policy may give a scope. */
const SCOPE = "prove:scope";
/** Ids are kept with so many bytes. */
const ID_BYTES = 63;

/** Ids that are cut short must not become the same. */
function decoyId(id: string, number: number): string {
  return number === 0 ? `prove:${id}`.slice(0, ID_BYTES) : `prove:${number}:${id}`.slice(0, ID_BYTES);
}

/** The rule, but for its id, its scope and its exceptions. */
function decoyRule(rule: Rule, { signals, decoys }: ProveRule, engine: PolicyEngine): Rule {
  const paths = decoys.filter(({ kind }) => kind !== "inode").map(({ path, kind }): PathTarget => ({
    path,
    subtree: kind === "subtree",
    line: rule.line,
  }));
  const inodes = decoys.filter(({ kind }) => kind === "inode").map(({ path }): InodeTarget => {
    const identity = engine.identityOf(path);
    if (identity === undefined) throw new Refusal(1, `There is no decoy at ${path}`);
    const { ino, dev, gen } = identity;
    const target = { major: dev >>> 20, minor: dev & 0xfffff, ino, line: rule.line };
    // As the rule has it: with a generation or without are different look-ups.
    return rule.inodes.every(({ generation }) => generation === undefined)
      ? target
      : { ...target, generation: gen };
  });
  return { ...rule, paths, inodes, signal: signals ? rule.signal : "none" };
}

function exceptionsOf({ excepted: { cgroups, exe, uids } }: ProveCallers): Exceptions {
  return { cgroups: cgroups.map(cgroupOf), exe: exe.map((path) => ({ path, line: 0 })), uids };
}

function cgroupOf(path: string): CgroupByPath {
  return { kind: "path", path, line: 0 };
}
