/**
 * Finds rules that would lock everyone out of the host, the administrator included.
 *
 * A rule is harmful if it is enforced, applies everywhere (no `in`, or a scope that is the whole cgroup tree), and denies
 * an operation that someone needs on an essential file, under any of its names; or denies anything on the whole of `/` or
 * of a top-level system directory. Exceptions by cgroup or user do not make it harmless: PID 1 and logins are many
 * users and many cgroups. One for the agent's executable does, where the file is the agent's.
 *
 * @module
 */

import { type Essential, SYSTEM_DIRECTORIES } from "./essential.ts";
import type { InodeTarget, PathTarget, Policy, Rule } from "./model.ts";
import { formatInodeTarget, formatPathTarget } from "./syntax.ts";

/** What a file is: the superblock's device and the inode number. */
export type FileIdentity = Pick<InodeTarget, "major" | "minor" | "ino">;

/** What is asked of the host. */
export interface HostFacts {
  /** The path with all symbolic links resolved, or undefined if there is nothing. */
  realpath(path: string): string | undefined;
  /** What the path names, symbolic links followed, or undefined if there is nothing. */
  identity(path: string): FileIdentity | undefined;
  /** Paths of everything below a directory, or of as much of it as is worth the time. */
  below(directory: string): readonly string[];
}

/** A rule's target that must not be enforced. */
export interface Lockout {
  /** Id of the rule. */
  readonly rule: string;
  /** Line of the target in the policy file. */
  readonly line: number;
  /** The list of the rule that the target is in. */
  readonly list: "paths" | "inodes";
  /** The target as the policy has it. */
  readonly target: string;
  /** What it would do: a clause that goes on from the target, such as `covers the dynamic loader, …`. */
  readonly reason: string;
  /** The essential files it covers; empty for a system directory, which is not looked into. */
  readonly covers: readonly string[];
}

/**
 * Finds what in a policy would lock the host out, in the order of the policy.
 *
 * @param essentials What the host needs: `essentialFiles`, and more where the caller knows more.
 */
export function findLockouts(
  policy: Pick<Policy, "rules" | "scopes">,
  essentials: readonly Essential[],
  facts: HostFacts,
): readonly Lockout[] {
  return findLockoutsBy(policy, () => new EssentialIndex(essentials, facts));
}

/**
 * The same, by an index of what the host needs that may be used again: to make one takes a look at hundreds of files.
 *
 * @param indexOf Is asked only where a rule could lock anyone out.
 */
export function findLockoutsBy(
  policy: Pick<Policy, "rules" | "scopes">,
  indexOf: () => EssentialIndex,
): readonly Lockout[] {
  const everywhere = wholeHostScopes(policy.scopes);
  const rules = policy.rules.filter((rule) => rule.mode === "enforce" && isUnscoped(rule, everywhere));
  if (rules.length === 0) return [];
  const index = indexOf();
  index.forgetTargets();
  return rules.flatMap((rule) => [
    ...rule.paths.flatMap((target) => pathLockout(rule, target, index)),
    ...rule.inodes.flatMap((target) => inodeLockout(rule, target, index)),
  ]);
}

/** A lock-out in one line, for a message that names the file before it. */
export function formatLockout(lockout: Lockout): string {
  return `rule ${lockout.rule}: ${lockout.target} ${lockout.reason}`;
}

/** The root cgroup's id on every kernel: the inode number of the root of its file system. */
const ROOT_CGROUP_ID = 1n;

function wholeHostScopes(scopes: Policy["scopes"]): ReadonlySet<string> {
  const whole = scopes.filter(({ cgroups }) =>
    cgroups.some((cgroup) => cgroup.kind === "id" ? cgroup.id === ROOT_CGROUP_ID : cgroup.path === "/")
  );
  return new Set(whole.map(({ name }) => name));
}

function isUnscoped(rule: Rule, everywhere: ReadonlySet<string>): boolean {
  return rule.in.length === 0 || rule.in.some((name) => everywhere.has(name));
}

function pathLockout(rule: Rule, target: PathTarget, index: EssentialIndex): Lockout[] {
  const names = index.namesOf(target.path);
  const place = {
    rule: rule.id,
    line: target.line,
    list: "paths",
    target: formatPathTarget(target),
  } as const;
  if (target.subtree) {
    const directory = index.systemDirectory(names, target.path);
    if (directory !== undefined) {
      const whole = directory === "/" ? "everything" : `the whole of ${directory}`;
      return [{ ...place, reason: `covers ${whole}; name the directories in it that are meant`, covers: [] }];
    }
  }
  const covered = target.subtree ? index.below(names, target.path) : index.named(names, target.path);
  return lockout(place, harmed(rule, covered, index));
}

function inodeLockout(rule: Rule, target: InodeTarget, index: EssentialIndex): Lockout[] {
  const place = {
    rule: rule.id,
    line: target.line,
    list: "inodes",
    target: formatInodeTarget(target),
  } as const;
  return lockout(place, harmed(rule, index.identified(target), index));
}

function lockout(place: Omit<Lockout, "reason" | "covers">, covered: readonly Essential[]): Lockout[] {
  const first = covered[0];
  if (first === undefined) return [];
  const covers = [...new Set(covered.map(({ path }) => path))];
  const others = covers.length > 1 ? ` and ${covers.length - 1} more that the host needs` : "";
  return [{ ...place, reason: `covers ${first.what}, ${first.path}${others}`, covers }];
}

/** Those of the covered files that this rule does harm to. */
function harmed(rule: Rule, covered: readonly Essential[], index: EssentialIndex): readonly Essential[] {
  const excepted = new Set(rule.except.exe.flatMap(({ path }) => index.namesOf(path)));
  return covered.filter((essential) =>
    essential.needs.some((operation) => rule.ops.includes(operation)) &&
    !(essential.agent && index.agentPrograms.some((program) => excepted.has(program)))
  );
}

/** The essential files by every name and by identity, so that ten thousand rules cost ten thousand look-ups. */
export class EssentialIndex {
  /** Every name of the agent's program. */
  readonly agentPrograms: readonly string[];
  readonly #facts: HostFacts;
  readonly #byName = new Map<string, Set<Essential>>();
  readonly #byIdentity = new Map<string, Set<Essential>>();
  /** Essentials by each directory above them, which other mounts may show as another path. */
  readonly #byDirectory = new Map<string, Set<Essential>>();
  /** Essential directories, and those in them. */
  readonly #trees = new Map<string, Set<Essential>>();
  readonly #systemDirectories = new Map<string, string>();
  readonly #names: readonly { readonly name: string; readonly essential: Essential }[];
  readonly #identities = new Map<string, FileIdentity | undefined>();

  constructor(essentials: readonly Essential[], facts: HostFacts) {
    this.#facts = facts;
    this.#names = essentials.flatMap((essential) => {
      const real = facts.realpath(essential.path);
      const names = real === undefined ? [essential.path] : [...new Set([essential.path, real])];
      return names.map((name) => ({ name, essential }));
    });
    for (const { name, essential } of this.#names) addTo(this.#byName, name, essential);
    for (const essential of essentials) this.#addIdentities(essential);
    for (const directory of SYSTEM_DIRECTORIES) {
      // With /usr merged, /bin is a name of /usr/bin, which is not at the top.
      const identity = this.namesOf(directory).length === 1 ? facts.identity(directory) : undefined;
      if (identity !== undefined) this.#systemDirectories.set(identityKey(identity), directory);
    }
    this.agentPrograms = this.#names.filter(({ essential }) => essential.agent && !essential.tree)
      .map(({ name }) => name);
  }

  /** Looks anew at what rules name, when it is next asked; what the host needs stays as it was found. */
  forgetTargets(): void {
    this.#identities.clear();
  }

  /** A path as written, and with its symbolic links resolved as far as something is there. */
  namesOf(path: string): readonly string[] {
    for (const directory of [path, ...parentsOf(path)]) {
      const real = this.#facts.realpath(directory);
      if (real === undefined) continue;
      const name = `${real === "/" ? "" : real}${path.slice(directory.length)}` || "/";
      return name === path ? [path] : [path, name];
    }
    return [path];
  }

  /** What a rule for one file covers: the same file by name or identity, or one inside an essential directory. */
  named(names: readonly string[], path: string): readonly Essential[] {
    const found = new Set<Essential>();
    for (const name of names) {
      for (const essential of this.#byName.get(name) ?? []) found.add(essential);
      for (const directory of parentsOf(name)) {
        for (const essential of this.#byName.get(directory) ?? []) if (essential.tree) found.add(essential);
        for (const essential of this.#at(this.#trees, directory)) found.add(essential);
      }
    }
    for (const essential of this.#at(this.#byIdentity, path)) found.add(essential);
    return [...found];
  }

  /** What a rule for a directory and everything below it covers. */
  below(directories: readonly string[], path: string): readonly Essential[] {
    const found = new Set(this.named(directories, path));
    for (const { name, essential } of this.#names) {
      if (directories.some((directory) => name.startsWith(`${directory}/`))) found.add(essential);
    }
    for (const essential of this.#at(this.#byDirectory, path)) found.add(essential);
    return [...found];
  }

  /** The system directory that this directory is, by name or (a bind mount of one) by identity. */
  systemDirectory(names: readonly string[], path: string): string | undefined {
    const named = names.find((name) => SYSTEM_DIRECTORIES.includes(name));
    if (named !== undefined) return named;
    const identity = this.#identity(path);
    return identity && this.#systemDirectories.get(identityKey(identity));
  }

  /** The essential files that are this inode. */
  identified(identity: FileIdentity): readonly Essential[] {
    return [...this.#byIdentity.get(identityKey(identity)) ?? []];
  }

  #addIdentities(essential: Essential): void {
    const add = (index: Map<string, Set<Essential>>, path: string) => {
      const identity = this.#identity(path);
      if (identity !== undefined) addTo(index, identityKey(identity), essential);
    };
    add(this.#byIdentity, essential.path);
    const real = this.#facts.realpath(essential.path);
    if (real !== undefined) { for (const directory of parentsOf(real)) add(this.#byDirectory, directory); }
    if (!essential.tree) return;
    for (const path of [essential.path, ...this.#facts.below(essential.path)]) {
      for (const index of [this.#byIdentity, this.#trees, this.#byDirectory]) add(index, path);
    }
  }

  #at(index: ReadonlyMap<string, Set<Essential>>, path: string): Iterable<Essential> {
    const identity = this.#identity(path);
    return identity === undefined ? [] : index.get(identityKey(identity)) ?? [];
  }

  /** Asked once for each path: rules share their directories. */
  #identity(path: string): FileIdentity | undefined {
    if (this.#identities.has(path)) return this.#identities.get(path);
    const identity = this.#facts.identity(path);
    this.#identities.set(path, identity);
    return identity;
  }
}

function identityKey({ major, minor, ino }: FileIdentity): string {
  return `${major}:${minor}:${ino}`;
}

function addTo(index: Map<string, Set<Essential>>, key: string, essential: Essential): void {
  const set = index.get(key);
  if (set === undefined) index.set(key, new Set([essential]));
  else set.add(essential);
}

function* parentsOf(path: string): Generator<string> {
  for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
    yield path.slice(0, slash);
  }
}
