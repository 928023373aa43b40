/**
 * What in a policy would lock this host out, as problems of its file.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import type { Identities } from "../kernel/identities.ts";
import { essentialFiles } from "../policy/essential.ts";
import { hostFacts, mappedByInit } from "../policy/host_facts.ts";
import type { CoveredMount } from "../policy/nested_mounts.ts";
import type { PolicyDocument } from "../policy/document.ts";
import type { Policy, Rule } from "../policy/model.ts";
import { formatKeyPath, type Problem } from "../policy/problem.ts";
import {
  EssentialIndex,
  findLockoutsBy,
  formatLockout,
  type HostFacts,
  type Lockout,
} from "../policy/safety.ts";
import type { Locations } from "./locations.ts";

/** What else is known when a policy is checked. */
export interface LockoutSources {
  /** Where the policy's targets are in its file; without it, the column is 1. */
  readonly document?: PolicyDocument;
  /** Says what files are to the kernel, as `inodes` name them; `stat`, which is asked otherwise, differs on btrfs. */
  readonly identities?: Identities;
}

/** Where the agent's own files are. */
export type AgentPlaces = Pick<Locations, "config" | "state" | "run" | "pins">;

/** A problem for each target that must not be enforced on this host. */
export function lockoutProblems(
  policy: Policy,
  file: string,
  places: AgentPlaces,
  { document, identities }: LockoutSources = {},
): Problem[] {
  return findLockoutsBy(policy, () => essentialsOf(places, identities)).map((lockout) => ({
    file,
    ...placeOf(lockout, policy, document),
    message: formatLockout(lockout),
  }));
}

/** Which rules would lock this host out if they covered all that is mounted somewhere too. */
export function harmfulMounts(
  covered: readonly CoveredMount[],
  { scopes }: Pick<Policy, "scopes">,
  places: AgentPlaces,
  identities?: Identities,
): boolean[] {
  const rules = covered.map(({ rule, mountPoint }, index): Rule => ({
    ...rule,
    id: String(index),
    paths: [{ path: mountPoint, subtree: true, line: rule.line }],
    inodes: [],
  }));
  const found = findLockoutsBy({ rules, scopes }, () => essentialsOf(places, identities));
  const harmful = new Set(found.map(({ rule }) => rule));
  return rules.map(({ id }) => harmful.has(id));
}

/** How long what the host needs is taken for as it was found, milliseconds: many policies may come at once. */
const KNOWN_MS = 2000;
const known = new WeakMap<Identities, { readonly index: EssentialIndex; readonly foundMs: number }>();

function essentialsOf(places: AgentPlaces, identities: Identities | undefined): EssentialIndex {
  const before = identities && known.get(identities);
  if (before && performance.now() - before.foundMs < KNOWN_MS) return before.index;
  const essentials = [
    ...essentialFiles({
      executable: Deno.execPath(),
      configuration: places.config.slice(0, places.config.lastIndexOf("/")),
      writable: [places.state, places.run, places.pins],
    }),
    ...mappedByInit(),
  ];
  const facts = identities ? { ...hostFacts, identity: toldBy(identities) } : hostFacts;
  const index = new EssentialIndex(essentials, facts);
  if (identities) known.set(identities, { index, foundMs: performance.now() });
  return index;
}

function placeOf(
  { rule, list, target, line }: Lockout,
  policy: Policy,
  document: PolicyDocument | undefined,
): Pick<Problem, "line" | "column" | "path"> {
  if (document === undefined) return { line, column: 1, path: "" };
  const path = ["rules", policy.rules.findIndex(({ id }) => id === rule), list];
  return { ...document.placeOfEntry(path, target), path: formatKeyPath(path) };
}

function toldBy(identities: Identities): HostFacts["identity"] {
  return (path) => {
    try {
      const known = identities.of(path);
      if (known === undefined) return undefined;
      const { dev, ino } = known.identity;
      return { major: dev >>> 20, minor: dev & 0xfffff, ino };
    } catch (error) {
      // Not reached, as on a server that hangs up: the check then goes by names.
      if (error instanceof SystemError) return undefined;
      throw error;
    }
  };
}
