/**
 * Mounts below the directories of `DIR/**`. The kernel side walks up within one file system, so each directory that is
 * mounted there becomes one whose subtree the same rule covers, as if the policy named it.
 *
 * @module
 */
import { realpathSync } from "node:fs";
import { SystemError } from "../../ffi/libc.ts";
import { type EntrySink, entryText, type SetEntry, subtreeEntry } from "../kernel/entries.ts";
import { type Mount, readMounts } from "../kernel/host.ts";
import type { Identities } from "../kernel/identities.ts";
import type { Identity } from "../kernel/packed.ts";
import type { Rule } from "./model.ts";

/** A directory below which a rule covers everything. */
export interface CoveredDirectory {
  readonly rule: Rule;
  /** The rule's index in the set. */
  readonly index: number;
  /** As the policy has it. */
  readonly path: string;
}

/** A rule that is to cover all that is mounted somewhere below one of its directories. */
export interface CoveredMount {
  readonly rule: Rule;
  readonly mountPoint: string;
}

/** What is mounted below a directory of a rule. */
export interface MountView {
  /** Id of the rule. */
  readonly rule: string;
  /** Where it is mounted. */
  readonly path: string;
  /** `left alone`: covering it would lock the host out. */
  readonly state: "covered" | "left alone";
}

/** How to follow mounts. */
export interface NestedMountsOptions {
  /** Which of these would lock the host out: they are left alone. */
  readonly harmful: (covered: readonly CoveredMount[]) => readonly boolean[];
  /** By default those of this process's mount namespace. */
  readonly mounts?: () => readonly Mount[];
}

/** Covers what is mounted below the directories of one policy, each time that it is asked to look. */
export class NestedMounts {
  readonly #options: Required<NestedMountsOptions>;
  /** What was added, by the entry's text. */
  readonly #added = new Map<string, { readonly entry: SetEntry; readonly device: string }>();
  /** Whether a mount would do harm, by rule and mount. */
  #harmful = new Map<string, boolean>();
  #views: readonly MountView[] = [];

  constructor({ harmful, mounts = readMounts }: NestedMountsOptions) {
    this.#options = { harmful, mounts };
  }

  /** What there was at the last look. */
  get views(): readonly MountView[] {
    return this.#views;
  }

  /**
   * Adds the roots of what is mounted below some directories now. They stay covered where they go from there, until their
   * file system is mounted nowhere any more: then the device's number may become another's.
   */
  cover(directories: readonly CoveredDirectory[], identities: Pick<Identities, "of">, sink: EntrySink): void {
    if (directories.length === 0) return;
    const mounts = this.#options.mounts();
    const nested = nestedIn(directories, mounts);
    this.#judge(nested);
    for (const { key, mount, index } of nested) {
      if (this.#harmful.get(key) === false) this.#add(mount, index, identities, sink);
    }
    this.#views = nested.map(({ key, rule, mount: { mountPoint } }) => ({
      rule: rule.id,
      path: mountPoint,
      state: this.#harmful.get(key) === false ? "covered" : "left alone",
    }));
    this.#forget(new Set(mounts.map(({ device }) => device)), sink);
  }

  /** Each mount is asked about once: it takes a look at all that the host needs. */
  #judge(nested: readonly Nested[]): void {
    const unknown = nested.filter(({ key }) => !this.#harmful.has(key));
    const asked = unknown.map(({ rule, mount: { mountPoint } }) => ({ rule, mountPoint }));
    const answers = asked.length === 0 ? [] : this.#options.harmful(asked);
    const added = new Map(unknown.map(({ key }, index) => [key, answers[index] ?? true]));
    this.#harmful = new Map(nested.map(({ key }) => [key, this.#harmful.get(key) ?? added.get(key) ?? true]));
  }

  #add(
    { mountPoint, device }: Mount,
    index: number,
    identities: Pick<Identities, "of">,
    sink: EntrySink,
  ): void {
    const identity = rootAt(mountPoint, identities);
    if (identity === undefined) return;
    const entry = subtreeEntry(identity, index);
    sink.add(entry);
    this.#added.set(entryText(entry), { entry, device });
  }

  #forget(devices: ReadonlySet<string>, sink: EntrySink): void {
    for (const [text, { entry, device }] of this.#added) {
      if (devices.has(device)) continue;
      sink.remove?.(entry);
      this.#added.delete(text);
    }
  }
}

/** These hold no files of their own, and what they show is the whole host's. */
const KERNEL_INTERFACES: ReadonlySet<string> = new Set([
  ..."autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue"
    .split(" "),
  ..."nfsd nsfs proc pstore rpc_pipefs securityfs selinuxfs sysfs tracefs".split(" "),
]);

interface Nested {
  readonly key: string;
  readonly rule: Rule;
  readonly index: number;
  readonly mount: Mount;
}

function nestedIn(directories: readonly CoveredDirectory[], mounts: readonly Mount[]): Nested[] {
  const covered = Map.groupBy(directories, ({ path }) => realPath(path));
  return mounts.filter(({ type }) => !KERNEL_INTERFACES.has(type)).flatMap((mount) =>
    parentsOf(mount.mountPoint).flatMap((path) => covered.get(path) ?? []).map(({ rule, index }) => ({
      key: `${mount.id} ${mount.device} ${mount.root} ${rule.id}`,
      rule,
      index,
      mount,
    }))
  );
}

/** What stands at a mount point now, if it is a directory that can be reached. */
function rootAt(mountPoint: string, identities: Pick<Identities, "of">): Identity | undefined {
  try {
    const known = identities.of(mountPoint, { follow: false });
    return known && (known.mode & S_IFMT) === S_IFDIR ? known.identity : undefined;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** A directory as mountinfo names it; where there is none, nothing is mounted below it. */
export function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

/** The directories above a path, without the root, of which no rule covers everything. */
function parentsOf(path: string): string[] {
  const names = path.split("/").slice(1, -1);
  return names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
