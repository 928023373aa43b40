/**
 * Turns a policy into a set for the kernel: paths become identities that the kernel told, cgroups become ids, and who
 * a rule applies to becomes bits of a caller's mask.
 *
 * @module
 */
import type { Identities } from "../kernel/identities.ts";
import { AEGIS } from "../kernel/layout.ts";
import { deviceNumber, type Identity } from "../kernel/packed.ts";
import type { SetBuilder } from "../kernel/set_builder.ts";
import { type CgroupFolder, findCgroup } from "./cgroups.ts";
import type { CgroupRef, InodeTarget, PathTarget, Policy, Rule } from "./model.ts";
import { OPERATIONS } from "./operations.ts";
import { formatCgroup, formatInodeTarget, formatPathTarget } from "./syntax.ts";

/** Where a target of a rule stands. */
export interface ResolvedTarget {
  readonly rule: Rule;
  readonly target: PathTarget | InodeTarget;
  /** What stands there; undefined while nothing does. */
  readonly identity?: Identity;
}

/** A cgroup that a policy names and that does not exist yet. */
export interface WaitingCgroup {
  readonly cgroup: CgroupRef;
  readonly mask: bigint;
}

/** What resolving found out. */
export interface Resolution {
  readonly targets: readonly ResolvedTarget[];
  /** Paths of executables that do not exist yet. */
  readonly waitingExecutables: readonly string[];
  readonly waitingCgroups: readonly WaitingCgroup[];
}

/** What resolving needs to know of this host. */
export interface ResolveContext {
  readonly identities: Identities;
  /** Root of the cgroup2 hierarchy; undefined where none is mounted. */
  readonly cgroups: CgroupFolder | undefined;
  /** The lasting numbers of rule ids. */
  readonly numbers: (ids: readonly string[]) => number[];
}

/** A policy that needs more than the kernel side has room for. */
export class PolicyTooLargeError extends Error {
  override readonly name = "PolicyTooLargeError";
}

/**
 * Adds a policy to `builder`.
 *
 * @throws {TooManyRulesError} if more rules name one file than the kernel side looks at.
 * @throws {PolicyTooLargeError} if it has more distinct sets of callers than a mask has bits.
 */
export function resolvePolicy(policy: Policy, builder: SetBuilder, context: ResolveContext): Resolution {
  const callers = new CallerBits(builder, context);
  callers.add(AEGIS_EXEMPT, policy.allow.cgroups);
  const scopes = new Map(policy.scopes.map(({ name, cgroups }) => [name, cgroups]));
  const numbers = context.numbers(policy.rules.map(({ id }) => id));
  const targets: ResolvedTarget[] = [];
  policy.rules.forEach((rule, index) => {
    const kernelRule = builder.addRule({
      scopes: rule.in.reduce(
        (mask, name) => mask | callers.cgroups(`in ${name}`, scopes.get(name) ?? []),
        0n,
      ),
      exceptScopes: callers.exceptions(rule),
      number: numbers[index] ?? 0,
      ops: rule.ops.reduce((bits, op) => bits | 1 << OPERATIONS.indexOf(op), 0),
      flags: rule.mode === "enforce" ? AEGIS.RULE_ENFORCE : 0,
      signal: SIGNALS[rule.signal],
    });
    for (const target of rule.inodes) targets.push(addInode(builder, rule, target, kernelRule));
    for (const target of rule.paths) {
      targets.push(addPath(builder, rule, target, kernelRule, context.identities));
    }
  });
  return {
    targets,
    waitingExecutables: callers.waitingExecutables,
    waitingCgroups: callers.waitingCgroups,
  };
}

/** A target as the policy names it. */
export function targetText(target: PathTarget | InodeTarget): string {
  return "path" in target ? formatPathTarget(target) : formatInodeTarget(target);
}

const AEGIS_EXEMPT = 1n;
const SIGNALS: Readonly<Record<Rule["signal"], number>> = { none: 0, term: 15, kill: 9 };
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

function addInode(builder: SetBuilder, rule: Rule, target: InodeTarget, index: number): ResolvedTarget {
  const dev = deviceNumber(target.major, target.minor);
  if (target.generation === undefined) {
    builder.addInode({ ino: target.ino, dev }, index);
    return { rule, target };
  }
  const identity = { ino: target.ino, dev, gen: target.generation };
  builder.addFile(identity, index);
  return { rule, target, identity };
}

function addPath(
  builder: SetBuilder,
  rule: Rule,
  target: PathTarget,
  index: number,
  identities: Identities,
): ResolvedTarget {
  const known = identities.of(target.path);
  if (known === undefined) return { rule, target };
  const { identity } = known;
  if (!target.subtree) builder.addFile(identity, index);
  else if ((known.mode & S_IFMT) === S_IFDIR) builder.addSubtree(identity, index);
  else return { rule, target };
  return { rule, target, identity };
}

/** Hands out bits of the caller mask: one for each distinct set of callers. */
class CallerBits {
  readonly waitingExecutables: string[] = [];
  readonly waitingCgroups: WaitingCgroup[] = [];
  readonly #bits = new Map<string, bigint>();
  readonly #builder: SetBuilder;
  readonly #context: ResolveContext;
  #next = 2n;

  constructor(builder: SetBuilder, context: ResolveContext) {
    this.#builder = builder;
    this.#context = context;
  }

  /** The bit of a set of cgroups; 0n for an empty one. */
  cgroups(name: string, cgroups: readonly CgroupRef[]): bigint {
    if (cgroups.length === 0) return 0n;
    return this.#once(name, (bit) => this.add(bit, cgroups));
  }

  /** The bits of a rule's exceptions. */
  exceptions({ except }: Rule): bigint {
    const { cgroups, exe, uids } = except;
    if (cgroups.length + exe.length + uids.length === 0) return 0n;
    const name = JSON.stringify([cgroups.map(formatCgroup), exe.map(({ path }) => path), uids]);
    return this.#once(`except ${name}`, (bit) => {
      this.add(bit, cgroups);
      for (const uid of uids) this.#builder.addUid(uid, bit);
      for (const { path } of exe) {
        const known = this.#context.identities.of(path);
        if (known) this.#builder.addExecutable(known.identity, bit);
        else this.waitingExecutables.push(path);
      }
    });
  }

  add(mask: bigint, cgroups: readonly CgroupRef[]): void {
    for (const cgroup of cgroups) {
      const found = this.#context.cgroups && findCgroup(this.#context.cgroups, cgroup);
      if (found) this.#builder.addCgroup(found.id, found.level, mask);
      else this.waitingCgroups.push({ cgroup, mask });
    }
  }

  #once(name: string, add: (bit: bigint) => void): bigint {
    const known = this.#bits.get(name);
    if (known !== undefined) return known;
    const bit = this.#next;
    if (bit >= 1n << 64n) {
      throw new PolicyTooLargeError("Expected at most 63 distinct sets of callers in scopes and exceptions");
    }
    this.#next <<= 1n;
    this.#bits.set(name, bit);
    add(bit);
    return bit;
  }
}
