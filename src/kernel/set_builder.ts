/**
 * Puts a policy set together in the form in which it goes into the kernel: rules, and entries that name files,
 * places and callers. Nothing here touches the kernel.
 *
 * @module
 */
import { type EntrySink, entryText, hasMask, type SetEntry } from "./entries.ts";
import { type Hook, HOOKS } from "./backend.ts";
import { AEGIS, ENTRY, KEY, KIND, OP, RULE } from "./layout.ts";
import { type KernelRule, viewOf, writeEntry, writeKey, writeRule } from "./packed.ts";

/** More rules name one file or directory than the kernel side looks at. */
export class TooManyRulesError extends Error {
  override readonly name = "TooManyRulesError";

  /** @param rule Index of the rule that did not fit. */
  constructor(readonly rule: number) {
    super(`Expected at most ${AEGIS.SLOTS} rules to name the same file or directory`);
  }
}

/** Builds one set; entries may be added in any order, rules keep theirs. */
export class SetBuilder implements EntrySink {
  /** Bits of `AEGIS.LIVE_*` that the set needs. */
  live = 0;
  /** The deepest cgroup level that an entry names. */
  cgroupDepth = 0;
  readonly #rules: KernelRule[] = [];
  readonly #known = new Set<string>();
  readonly #kinds = new Set<number>();
  /** Slots that are used, by thing. */
  readonly #slots = new Map<string, number>();
  readonly #masks = new Map<string, SetEntry>();
  readonly #admitted = {
    files: new Set<bigint>(),
    directories: new Set<bigint>(),
    places: new Set<bigint>(),
  };
  #keys = new Uint8Array(KEY.SIZE * 64);
  #values = new Uint8Array(ENTRY.SIZE * 64);
  #count = 0;

  /** Adds a rule; returns its index. */
  addRule(rule: KernelRule): number {
    return this.#rules.push(rule) - 1;
  }

  /**
   * Adds an entry.
   *
   * @throws {TooManyRulesError} if the thing's slots are full.
   */
  add(entry: SetEntry): void {
    const text = entryText(entry);
    if (this.#known.has(text)) return;
    this.#known.add(text);
    this.live |= liveBitsOf(entry.kind);
    this.#kinds.add(entry.kind);
    admit(entry, this.#admitted);
    const thing = `${entry.kind}:${entry.a}:${entry.b}`;
    if (hasMask(entry.kind)) {
      const before = this.#masks.get(thing)?.mask ?? 0n;
      this.#masks.set(thing, { ...entry, mask: before | entry.mask });
      return;
    }
    const slot = this.#slots.get(thing) ?? 0;
    if (slot >= AEGIS.SLOTS) throw new TooManyRulesError(entry.rule);
    this.#slots.set(thing, slot + 1);
    this.#append(entry, slot);
  }

  /** Says that an entry names a cgroup at a level; 0 is the root. */
  reachCgroupLevel(level: number): void {
    this.cgroupDepth = Math.max(this.cgroupDepth, level);
  }

  /** The finished set. */
  build(): PolicySet {
    for (const entry of this.#masks.values()) this.#append(entry, 0);
    this.#masks.clear();
    const rules = new Uint8Array(RULE.SIZE * this.#rules.length);
    const view = viewOf(rules);
    this.#rules.forEach((rule, index) => writeRule(view, index * RULE.SIZE, rule));
    return {
      live: this.live,
      hooks: hooksOf(this.#rules, this.#kinds),
      cgroupDepth: this.cgroupDepth,
      rules,
      ruleCount: this.#rules.length,
      keys: this.#keys.subarray(0, this.#count * KEY.SIZE),
      values: this.#values.subarray(0, this.#count * ENTRY.SIZE),
      entryCount: this.#count,
      known: this.#known,
      admitted: this.#admitted,
    };
  }

  #append(entry: SetEntry, slot: number): void {
    if ((this.#count + 1) * KEY.SIZE > this.#keys.length) {
      this.#keys = grown(this.#keys);
      this.#values = grown(this.#values);
    }
    writeKey(viewOf(this.#keys), this.#count * KEY.SIZE, { ...entry, slot });
    writeEntry(viewOf(this.#values), this.#count * ENTRY.SIZE, entry);
    this.#count++;
  }
}

/** Inode numbers that the three filters must let through. */
export interface Admitted {
  readonly files: ReadonlySet<bigint>;
  readonly directories: ReadonlySet<bigint>;
  readonly places: ReadonlySet<bigint>;
}

/** A set, packed. */
export interface PolicySet {
  readonly live: number;
  /** Hooks besides opening that the set needs. */
  readonly hooks: readonly Hook[];
  readonly cgroupDepth: number;
  readonly rules: Uint8Array;
  readonly ruleCount: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly entryCount: number;
  /** Its entries as text, to see what is new later. */
  readonly known: ReadonlySet<string>;
  readonly admitted: Admitted;
}

/** Bits of the live word that a set with an entry of this kind needs. */
export function liveBitsOf(kind: number): number {
  if (kind === KIND.DIR) return AEGIS.LIVE_SUBTREES;
  if (kind === KIND.CGROUP || kind === KIND.CGROUP_LEAF) return AEGIS.LIVE_CGROUPS;
  if (kind === KIND.EXE || kind === KIND.EXE_LEAF) return AEGIS.LIVE_EXES;
  return kind === KIND.UID ? AEGIS.LIVE_UIDS : 0;
}

/** Notes what the filters must let through for an entry. */
export function admit(
  { kind, a }: SetEntry,
  admitted: { readonly [Filter in keyof Admitted]: { add(ino: bigint): unknown } },
): void {
  if (kind === KIND.FILE || kind === KIND.INODE) admitted.files.add(a);
  else if (kind === KIND.DIR) admitted.directories.add(a);
  else if (kind === KIND.PLACE) admitted.places.add(a);
}

/** Hooks of which an operation, by its number, is decided by one or more; none for those that opening decides. */
export function hooksOfOperation(op: number): readonly Hook[] {
  return HOOKS_OF_OPERATIONS.find(([operation]) => operation === op)?.[1] ?? [];
}

/** Which hooks rules need: for their operations, for their places, and for files that leave subtrees. */
function hooksOf(rules: readonly KernelRule[], kinds: ReadonlySet<number>): Hook[] {
  const needed = new Set<Hook>();
  const named = rules.filter((rule) => (rule.flags & AEGIS.RULE_CANARY) === 0);
  for (const [op, hooks] of HOOKS_OF_OPERATIONS) {
    if (named.some((rule) => (rule.ops & 1 << op) !== 0)) { for (const hook of hooks) needed.add(hook); }
  }
  // Who may not read a file cannot map it either.
  if (named.some(({ ops }) => (ops & 1 << OP.EXEC) !== 0 && (ops & 1 << OP.READ) === 0)) {
    needed.add("mmap_file").add("file_mprotect");
  }
  if (kinds.has(KIND.PLACE)) needed.add("d_instantiate").add("inode_copy_up").add("inode_rename");
  if (kinds.has(KIND.CGROUP_PLACE)) needed.add("cgroup_mkdir");
  if (kinds.has(KIND.LEAF) || kinds.has(KIND.DIR)) needed.add("inode_link");
  return HOOKS.filter((hook) => needed.has(hook));
}

const HOOKS_OF_OPERATIONS: readonly (readonly [op: number, hooks: readonly Hook[]])[] = [
  [OP.DELETE, ["inode_unlink", "inode_rmdir"]],
  [OP.RENAME, ["inode_rename"]],
  [OP.LINK, ["inode_link"]],
  [OP.ATTR, ["inode_setattr", "inode_setxattr", "inode_removexattr", "inode_set_acl", "inode_remove_acl"]],
  [OP.TRUNCATE, ["inode_setattr"]],
];

function grown(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const twice = new Uint8Array(bytes.length * 2);
  twice.set(bytes);
  return twice;
}
