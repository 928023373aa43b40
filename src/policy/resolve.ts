/**
 * Turns a policy into a set for the kernel: paths become identities that the kernel told, cgroups become ids, and who
 * a rule applies to becomes bits of a caller's mask.
 *
 * @module
 */
import { type EntrySink, fileEntry, inodeEntry, uidEntry } from "../kernel/entries.ts";
import type { Identities } from "../kernel/identities.ts";
import { AEGIS } from "../kernel/layout.ts";
import { deviceNumber, type Identity } from "../kernel/packed.ts";
import type { SetBuilder } from "../kernel/set_builder.ts";
import { bindCgroup, type CgroupFolder, levelOf } from "./cgroups.ts";
import type { CgroupRef, InodeTarget, PathTarget, Policy, Rule } from "./model.ts";
import type { CoveredDirectory, MountView, NestedMounts } from "./nested_mounts.ts";
import { OPERATIONS } from "./operations.ts";
import { type PathMeaning, PlaceTree, PlaceWalker } from "./places.ts";
import { formatCgroup, formatInodeTarget, formatPathTarget } from "./syntax.ts";

/** Where a target of a rule stands. */
export interface ResolvedTarget {
  readonly rule: Rule;
  readonly target: PathTarget | InodeTarget;
  /** What stands there; undefined while nothing does. */
  readonly identity?: Identity;
  /** Why it cannot be told what stands there, as an error's name such as `EACCES`. */
  readonly unreachable?: string;
}

/** A cgroup that a policy names, and the bits that stand for it. */
export interface CgroupMask {
  readonly cgroup: CgroupRef;
  readonly mask: bigint;
}

/** What resolving found out. */
export interface Resolution {
  readonly targets: readonly ResolvedTarget[];
  /** Paths of executables that do not exist yet. */
  readonly waitingExecutables: readonly string[];
  /** Cgroups that do not exist yet. */
  readonly waitingCgroups: readonly CgroupRef[];
}

/** What resolving needs to know of this host. */
export interface ResolveContext {
  readonly identities: Identities;
  /** Root of the cgroup2 hierarchy; undefined where none is mounted. */
  readonly cgroups: CgroupFolder | undefined;
  /** The lasting numbers of rule ids. */
  readonly numbers: (ids: readonly string[]) => number[];
  /** Covers what is mounted below the policy's directories; by default nothing is. */
  readonly mounts?: NestedMounts;
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
export function resolvePolicy(policy: Policy, builder: SetBuilder, context: ResolveContext): ResolvedPolicy {
  const callers = new CallerBits(builder);
  callers.add(AEGIS_EXEMPT, policy.allow.cgroups);
  const scopes = new Map(policy.scopes.map(({ name, cgroups }) => [name, cgroups]));
  const numbers = context.numbers(policy.rules.map(({ id }) => id));
  const indices = policy.rules.map((rule, index) =>
    builder.addRule({
      scopes: rule.in.reduce(
        (mask, name) => mask | callers.cgroups(`in ${name}`, scopes.get(name) ?? []),
        0n,
      ),
      exceptScopes: callers.exceptions(rule),
      number: numbers[index] ?? 0,
      ops: rule.ops.reduce((bits, op) => bits | 1 << OPERATIONS.indexOf(op), 0),
      flags: rule.mode === "enforce" ? AEGIS.RULE_ENFORCE : 0,
      signal: SIGNALS[rule.signal],
    })
  );
  for (const { cgroup } of callers.cgroupMasks) builder.reachCgroupLevel(levelOf(cgroup));
  const resolved = new ResolvedPolicy(policy, indices, callers, context);
  resolved.resolve(context.identities, builder);
  return resolved;
}

/** A policy whose rules have their places in a set, and which can be looked up again when the file system changes. */
export class ResolvedPolicy implements Resolution {
  readonly #policy: Policy;
  /** Index in the set of each rule. */
  readonly #indices: readonly number[];
  readonly #callers: Pick<CallerBits, "executables" | "cgroupMasks">;
  readonly #cgroups: CgroupFolder | undefined;
  readonly #mounts: NestedMounts | undefined;
  readonly #tree = new PlaceTree();
  #targets: readonly ResolvedTarget[] = [];
  #waitingExecutables: readonly string[] = [];
  #waitingCgroups: readonly CgroupRef[] = [];

  constructor(
    policy: Policy,
    indices: readonly number[],
    callers: Pick<CallerBits, "executables" | "cgroupMasks">,
    { cgroups, mounts }: Pick<ResolveContext, "cgroups" | "mounts">,
  ) {
    this.#policy = policy;
    this.#indices = indices;
    this.#callers = callers;
    this.#cgroups = cgroups;
    this.#mounts = mounts;
  }

  /** Where each target of each rule stands, as of the last look. */
  get targets(): readonly ResolvedTarget[] {
    return this.#targets;
  }

  /** Paths of executables at which nothing stands. */
  get waitingExecutables(): readonly string[] {
    return this.#waitingExecutables;
  }

  /** Cgroups that do not exist yet. */
  get waitingCgroups(): readonly CgroupRef[] {
    return this.#waitingCgroups;
  }

  /** The directories below which rules cover everything. */
  get directories(): CoveredDirectory[] {
    return this.#policy.rules.flatMap((rule, position) =>
      rule.paths.filter(({ subtree }) => subtree)
        .map(({ path }) => ({ rule, index: this.#indices[position] ?? 0, path }))
    );
  }

  /** What is mounted below them, as of the last look. */
  get mounts(): readonly MountView[] {
    return this.#mounts?.views ?? [];
  }

  /** Looks at the paths of some rules, given by their ids, and adds what stands there to the sink. */
  resolveRules(ids: ReadonlySet<string>, identities: Identities, sink: EntrySink): void {
    using walker = new PlaceWalker(identities, this.#tree, sink);
    const indices = new Map(this.#policy.rules.map((rule, position) => [rule, this.#indices[position] ?? 0]));
    this.#targets = this.#targets.map((known): ResolvedTarget => {
      const { rule, target } = known;
      if (!("path" in target) || !ids.has(rule.id)) return known;
      const kind = target.subtree ? "subtree" : "file";
      return boundBy(walker, rule, target, { kind, rule: indices.get(rule) ?? 0 });
    });
  }

  /** Looks at every path, and adds what stands there to the sink. Inodes stay what they are: they are added once. */
  resolve(identities: Identities, sink: EntrySink): void {
    identities.learnFileSystems();
    using walker = new PlaceWalker(identities, this.#tree, sink);
    const isFirst = this.#targets.length === 0;
    const before = this.#targets.values();
    this.#targets = this.#policy.rules.flatMap((rule, position) => {
      const index = this.#indices[position] ?? 0;
      return [...rule.inodes, ...rule.paths].map((target) => {
        const known = before.next().value;
        if ("path" in target) {
          return boundBy(walker, rule, target, { kind: target.subtree ? "subtree" : "file", rule: index });
        }
        return isFirst || known === undefined ? addInode(sink, rule, target, index) : known;
      });
    });
    this.#mounts?.cover(this.directories, identities, sink);
    this.#waitingCgroups = this.#callers.cgroupMasks
      .filter(({ cgroup, mask }) => !bindCgroup(this.#cgroups, cgroup, mask, this.#tree, sink))
      .map(({ cgroup }) => cgroup);
    this.#waitingExecutables = this.#callers.executables
      .filter(({ path, mask }) => walker.bind(path, { kind: "executable", mask }) === undefined)
      .map(({ path }) => path);
  }
}

/** An executable that a rule makes an exception for, and the bits that stand for it. */
export interface ExecutableMask {
  readonly path: string;
  readonly mask: bigint;
}

/** A target as the policy names it. */
export function targetText(target: PathTarget | InodeTarget): string {
  return "path" in target ? formatPathTarget(target) : formatInodeTarget(target);
}

const AEGIS_EXEMPT = 1n;
const SIGNALS: Readonly<Record<Rule["signal"], number>> = { none: 0, term: 15, kill: 9 };

function boundBy(walker: PlaceWalker, rule: Rule, target: PathTarget, meaning: PathMeaning): ResolvedTarget {
  const identity = walker.bind(target.path, meaning);
  if (identity) return { rule, target, identity };
  const { unreachable } = walker;
  return unreachable === undefined ? { rule, target } : { rule, target, unreachable };
}

function addInode(sink: EntrySink, rule: Rule, target: InodeTarget, index: number): ResolvedTarget {
  const dev = deviceNumber(target.major, target.minor);
  if (target.generation === undefined) {
    sink.add(inodeEntry({ ino: target.ino, dev }, index));
    return { rule, target };
  }
  const identity = { ino: target.ino, dev, gen: target.generation };
  sink.add(fileEntry(identity, index));
  return { rule, target, identity };
}

/** Hands out bits of the caller mask: one for each distinct set of callers. */
class CallerBits {
  readonly executables: ExecutableMask[] = [];
  readonly cgroupMasks: CgroupMask[] = [];
  readonly #bits = new Map<string, bigint>();
  readonly #builder: SetBuilder;
  #next = 2n;

  constructor(builder: SetBuilder) {
    this.#builder = builder;
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
      for (const uid of uids) this.#builder.add(uidEntry(uid, bit));
      this.executables.push(...exe.map(({ path }) => ({ path, mask: bit })));
    });
  }

  add(mask: bigint, cgroups: readonly CgroupRef[]): void {
    for (const cgroup of cgroups) this.cgroupMasks.push({ cgroup, mask });
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
