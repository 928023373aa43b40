/**
 * Puts a policy set together in the form in which it goes into the kernel: rules, and entries that name files,
 * directories and callers. Nothing here touches the kernel.
 *
 * @module
 */
import { AEGIS, ENTRY, KEY, KIND, RULE } from "./layout.ts";
import {
  type Identity,
  identityTail,
  type KernelRule,
  viewOf,
  writeEntry,
  writeKey,
  writeRule,
} from "./packed.ts";

/** More rules name one file or directory than the kernel side looks at. */
export class TooManyRulesError extends Error {
  override readonly name = "TooManyRulesError";

  /** @param rule Index of the rule that did not fit. */
  constructor(readonly rule: number) {
    super(`Expected at most ${AEGIS.SLOTS} rules to name the same file or directory`);
  }
}

/** Builds one set; entries may be added in any order, rules keep theirs. */
export class SetBuilder {
  /** Bits of `AEGIS.LIVE_*` that the set needs. */
  live = 0;
  /** The deepest cgroup level that an entry names. */
  cgroupDepth = 0;
  readonly #rules: KernelRule[] = [];
  readonly #slots = new Map<string, { used: number; lastRule: number }>();
  readonly #masks = new Map<string, { kind: number; a: bigint; b: bigint; mask: bigint }>();
  readonly #files = new Set<bigint>();
  readonly #directories = new Set<bigint>();
  #keys = new Uint8Array(KEY.SIZE * 64);
  #values = new Uint8Array(ENTRY.SIZE * 64);
  #count = 0;

  /** Adds a rule; returns its index. */
  addRule(rule: KernelRule): number {
    return this.#rules.push(rule) - 1;
  }

  /** Makes a rule cover a file under all its names. */
  addFile(identity: Identity, rule: number): void {
    this.#files.add(identity.ino);
    this.#addToSlot(KIND.FILE, identity.ino, identityTail(identity), { rule, node: 0, mask: 0n });
  }

  /** Makes a rule cover whatever file has this inode number, of any generation. */
  addInode({ ino, dev }: Pick<Identity, "ino" | "dev">, rule: number): void {
    this.#files.add(ino);
    this.#addToSlot(KIND.INODE, ino, identityTail({ dev, gen: 0 }), { rule, node: 0, mask: 0n });
  }

  /** Makes a rule cover all that lies below a directory. */
  addSubtree(identity: Identity, rule: number): void {
    this.live |= AEGIS.LIVE_SUBTREES;
    this.#directories.add(identity.ino);
    this.#addToSlot(KIND.DIR, identity.ino, identityTail(identity), { rule, node: 0, mask: 0n });
  }

  /**
   * Makes a cgroup's subtree a member of `mask`.
   *
   * @param level Its depth: 0 is the root.
   */
  addCgroup(id: bigint, level: number, mask: bigint): void {
    this.cgroupDepth = Math.max(this.cgroupDepth, level);
    this.#addMember(KIND.CGROUP, id, 0n, mask);
  }

  /** Makes processes that run this file members of `mask`. */
  addExecutable(identity: Identity, mask: bigint): void {
    this.#addMember(KIND.EXE, identity.ino, identityTail(identity), mask);
  }

  /** Makes processes of this user members of `mask`. */
  addUid(uid: number, mask: bigint): void {
    this.#addMember(KIND.UID, BigInt(uid), 0n, mask);
  }

  /** The finished set. */
  build(): PolicySet {
    for (const { kind, a, b, mask } of this.#masks.values()) {
      this.#append(kind, a, b, 0, { rule: AEGIS.NO_RULE, node: 0, mask });
    }
    this.#masks.clear();
    const rules = new Uint8Array(RULE.SIZE * this.#rules.length);
    const view = viewOf(rules);
    this.#rules.forEach((rule, index) => writeRule(view, index * RULE.SIZE, rule));
    return {
      live: this.live,
      cgroupDepth: this.cgroupDepth,
      rules,
      ruleCount: this.#rules.length,
      keys: this.#keys.subarray(0, this.#count * KEY.SIZE),
      values: this.#values.subarray(0, this.#count * ENTRY.SIZE),
      entryCount: this.#count,
      files: this.#files,
      directories: this.#directories,
    };
  }

  #addMember(kind: number, a: bigint, b: bigint, mask: bigint): void {
    this.live |= AEGIS.LIVE_CALLERS;
    const name = `${kind}:${a}:${b}`;
    const member = this.#masks.get(name);
    if (member) member.mask |= mask;
    else this.#masks.set(name, { kind, a, b, mask });
  }

  #addToSlot(kind: number, a: bigint, b: bigint, value: EntryFields): void {
    const name = `${kind}:${a}:${b}`;
    const slots = this.#slots.get(name);
    if (slots === undefined) this.#slots.set(name, { used: 1, lastRule: value.rule });
    else {
      // A rule may reach one file over several of its paths, one after the other.
      if (slots.lastRule === value.rule) return;
      if (slots.used >= AEGIS.SLOTS) throw new TooManyRulesError(value.rule);
      slots.used++;
      slots.lastRule = value.rule;
    }
    this.#append(kind, a, b, slots ? slots.used - 1 : 0, value);
  }

  #append(kind: number, a: bigint, b: bigint, slot: number, value: EntryFields): void {
    if ((this.#count + 1) * KEY.SIZE > this.#keys.length) {
      this.#keys = grown(this.#keys);
      this.#values = grown(this.#values);
    }
    writeKey(viewOf(this.#keys), this.#count * KEY.SIZE, { kind, a, b, slot });
    writeEntry(viewOf(this.#values), this.#count * ENTRY.SIZE, value);
    this.#count++;
  }
}

/** A set, packed. */
export interface PolicySet {
  readonly live: number;
  readonly cgroupDepth: number;
  readonly rules: Uint8Array;
  readonly ruleCount: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly entryCount: number;
  /** Inode numbers that the file filter must let through. */
  readonly files: ReadonlySet<bigint>;
  /** Inode numbers that the directory filter must let through. */
  readonly directories: ReadonlySet<bigint>;
}

interface EntryFields {
  readonly rule: number;
  readonly node: number;
  readonly mask: bigint;
}

function grown(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const twice = new Uint8Array(bytes.length * 2);
  twice.set(bytes);
  return twice;
}
