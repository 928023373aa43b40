/**
 * The agent's side of `prove`: for as long as it runs, rules for decoys stand beside the policy in force, for one
 * scratch cgroup. Nothing of them is kept, and when `prove` dies they go by themselves.
 *
 * @module
 */
import type { InodeTarget, PathTarget, Rule } from "../policy/model.ts";
import type { ProveBegin, ProveBegun, ProveEnded } from "./api.ts";
import type { InForce, PolicyEngine } from "./policy_engine.ts";
import { Refusal } from "./refusal.ts";

/** How the lease reaches the rest of the agent. */
export interface ProveContext {
  readonly engine: PolicyEngine;
  /** A set came into force. */
  readonly installed: () => void;
  readonly log: (line: string) => void;
}

/** At most one `prove` at a time. */
export class ProveLease {
  readonly #context: ProveContext;
  #lease: { readonly generation: bigint; readonly timer: ReturnType<typeof setTimeout> } | undefined;

  constructor(context: ProveContext) {
    this.#context = context;
  }

  /**
   * Puts the policy in force again, with a rule for the decoys like the one that is to be proved.
   *
   * @throws {Refusal} 1 where there is no policy or no such rule, or another `prove` runs.
   */
  begin({ cgroup, rule: id, decoys }: ProveBegin): ProveBegun {
    if (this.#lease) throw new Refusal(1, "Another prove is running; try again when it has ended");
    const { engine } = this.#context;
    const rule = engine.current?.policy.rules.find((one) => one.id === id);
    if (engine.current === undefined) throw new Refusal(1, "No policy is in force");
    if (rule === undefined) throw new Refusal(1, `No rule ${id} is in force`);
    const extra = decoyRule(rule, decoys, engine);
    const scope = { name: SCOPE, cgroups: [{ kind: "path", path: cgroup, line: 0 } as const], line: 0 };
    const { generation } = this.#install(() => engine.withExtraRules({ rules: [extra], scopes: [scope] }));
    const timer = setTimeout(() => {
      this.#context.log("prove did not end in time: its rules are taken back");
      this.end();
    }, LEASE_MS);
    this.#lease = { generation, timer };
    return { rule: extra.id, generation: Number(generation) };
  }

  /** Takes the decoys' rule back, unless another policy has come into force and it is gone already. */
  end(): ProveEnded {
    const lease = this.#lease;
    if (lease === undefined) return { held: false };
    clearTimeout(lease.timer);
    this.#lease = undefined;
    const { engine } = this.#context;
    const held = engine.current?.generation === lease.generation;
    if (held) this.#install(() => engine.withExtraRules());
    return { held };
  }

  #install(install: () => InForce): InForce {
    const inForce = install();
    this.#context.installed();
    return inForce;
  }
}

/** For one round of decoys. */
const LEASE_MS = 120_000;
/** Not a name that a policy may give a scope. */
const SCOPE = "prove:scope";
/** Ids are kept with so many bytes. */
const ID_BYTES = 63;

/** No signal: the first refusal would end the process that tries the other ways. No exceptions: they are not proved. */
function decoyRule(rule: Rule, decoys: ProveBegin["decoys"], engine: PolicyEngine): Rule {
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
  return {
    ...rule,
    id: `prove:${rule.id}`.slice(0, ID_BYTES),
    paths,
    inodes,
    in: [SCOPE],
    except: { cgroups: [], exe: [], uids: [] },
    signal: "none",
  };
}
