/**
 * The policies that were in force, as files: each by the SHA-256 of its bytes, and which one is current.
 *
 *     <state>/policies/<sha256>.yaml   the bytes; <sha256>.yaml.sig its signature, where it has one
 *     <state>/kept.json                which are kept, in the order in which they came into force
 *     <state>/current.json             which one an agent begins with
 *
 * What is damaged is renamed and reported, and the last good policy is used.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { parsePolicy } from "../policy/parse.ts";
import { readIfThere, setAside, type StagedFile, stageDurably, writeDurably } from "./durable_file.ts";

/** A policy's bytes with the name they came under. */
export interface StoredPolicy {
  readonly bytes: Uint8Array;
  readonly sha256: string;
  /** The file that it was applied from, for messages. */
  readonly file: string;
  /** The signature that came with it. */
  readonly signature?: Uint8Array;
}

/** What is known of a kept policy without reading it. */
export interface KeptPolicy {
  readonly sha256: string;
  readonly serial: number;
  readonly name: string;
  readonly file: string;
  /** Whether it was in force for good: not one that nobody confirmed. */
  readonly good: boolean;
}

/** The policies of one host. */
export class PolicyStore {
  readonly #folder: string;
  readonly #current: string;
  readonly #keptPath: string;
  readonly #report: (line: string) => void;
  #kept: KeptPolicy[] | undefined;

  /**
   * @param state `/var/lib/aegisbpf`; it is made if it is not there.
   * @param report Takes a line for each damaged file; by default nobody is told.
   */
  constructor(state: string, report: (line: string) => void = () => {}) {
    this.#folder = `${state}/policies`;
    this.#current = `${state}/current.json`;
    this.#keptPath = `${state}/kept.json`;
    this.#report = report;
    Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** The policies that can be gone back to, the one that came into force last at the end. */
  get kept(): readonly KeptPolicy[] {
    return this.#kept ??= this.#readKept();
  }

  /**
   * Keeps a policy, before it goes into force.
   *
   * @param known Its serial and name; by default they are read from it.
   */
  keep(policy: StoredPolicy, known: Pick<KeptPolicy, "serial" | "name"> = identityOf(policy)): void {
    // First, as a list that is missing is made from the files.
    const kept = this.kept;
    const path = this.#path(policy.sha256);
    if (this.#readGood(policy.sha256) === undefined) writeDurably(path, policy.bytes);
    if (policy.signature) writeDurably(`${path}.sig`, policy.signature);
    const { serial, name } = known;
    const before = kept.find(({ sha256 }) => sha256 === policy.sha256);
    this.#writeKept([
      ...kept.filter(({ sha256 }) => sha256 !== policy.sha256),
      { sha256: policy.sha256, serial, name, file: policy.file, good: before?.good ?? false },
    ]);
  }

  /** Says that a kept policy is the one in force, and for good. */
  markCurrent(policy: Pick<StoredPolicy, "sha256" | "file">): void {
    this.stageCurrent(policy).commit();
  }

  /** Does all of {@linkcode markCurrent} that may fail. */
  stageCurrent({ sha256, file }: Pick<StoredPolicy, "sha256" | "file">): StagedFile {
    const staged = stageDurably(this.#current, JSON.stringify({ sha256, file }) + "\n");
    return {
      commit: () => {
        staged.commit();
        const isGood = this.kept.find((kept) => kept.sha256 === sha256)?.good ?? true;
        if (isGood) return;
        this.#writeKept(this.kept.map((kept) => kept.sha256 === sha256 ? { ...kept, good: true } : kept));
      },
    };
  }

  /** A kept policy; undefined where there is none, or where its bytes are no longer those. */
  read(sha256: string): StoredPolicy | undefined {
    const bytes = this.#readGood(sha256);
    if (bytes === undefined) return undefined;
    const current = this.#readCurrent();
    const file = current?.sha256 === sha256
      ? current.file
      : this.kept.find((kept) => kept.sha256 === sha256)?.file ?? this.#path(sha256);
    const signature = readIfThere(`${this.#path(sha256)}.sig`);
    return { bytes, sha256, file, ...(signature ? { signature } : {}) };
  }

  /** The policy that was marked last, or the last good one before it; undefined where there is none. */
  readCurrent(): StoredPolicy | undefined {
    const current = this.#readCurrent();
    const marked = current && this.read(current.sha256);
    if (marked) return marked;
    for (const { good, sha256, name, serial } of this.kept.toReversed()) {
      const kept = good ? this.read(sha256) : undefined;
      if (kept === undefined) continue;
      this.#report(`the policy that was in force last cannot be read; ${name}, serial ${serial}, is used`);
      return kept;
    }
    return undefined;
  }

  /** Which policy was marked last, whether or not it can be read. */
  get currentSha256(): string | undefined {
    return this.#readCurrent()?.sha256;
  }

  /**
   * Removes the oldest beyond {@linkcode KEPT_POLICIES}, none of `needed`. Some more are let be, so that the list is not
   * written once more for each policy.
   */
  prune(needed: readonly string[]): void {
    const excess = this.kept.length - KEPT_POLICIES;
    if (excess <= LET_BE) return;
    const gone = this.kept.filter(({ sha256 }) => !needed.includes(sha256)).slice(0, excess);
    this.#writeKept(this.kept.filter((kept) => !gone.includes(kept)));
    for (const { sha256 } of gone) {
      for (const path of [this.#path(sha256), `${this.#path(sha256)}.sig`]) removeIfThere(path);
    }
  }

  #readGood(sha256: string): Uint8Array | undefined {
    const path = this.#path(sha256);
    const bytes = readIfThere(path);
    if (bytes === undefined) return undefined;
    if (createHash("sha256").update(bytes).digest("hex") === sha256) return bytes;
    this.#setAside(path);
    return undefined;
  }

  #readCurrent(): { sha256: string; file: string } | undefined {
    const value = this.#readJson(this.#current) as { sha256?: unknown; file?: unknown } | null | undefined;
    if (value === undefined) return undefined;
    const { sha256, file } = value ?? {};
    if (typeof file === "string" && typeof sha256 === "string" && HASH.test(sha256)) return { sha256, file };
    this.#setAside(this.#current);
    return undefined;
  }

  #readKept(): KeptPolicy[] {
    const value = this.#readJson(this.#keptPath);
    if (Array.isArray(value) && value.every(isKept)) return value;
    if (value !== undefined) this.#setAside(this.#keptPath);
    return this.#findKept();
  }

  /** The list made anew from the files, in the order of their serials. */
  #findKept(): KeptPolicy[] {
    const names = [...Deno.readDirSync(this.#folder)].map(({ name }) => name);
    const found = names.flatMap((name) => {
      const sha256 = /^([0-9a-f]{64})\.yaml$/.exec(name)?.[1];
      const bytes = sha256 === undefined ? undefined : this.#readGood(sha256);
      if (sha256 === undefined || bytes === undefined) return [];
      const file = this.#path(sha256);
      return [{ sha256, ...identityOf({ bytes, sha256, file }), file, good: true }];
    });
    return found.sort((one, other) => one.serial - other.serial);
  }

  /** Undefined where there is no file; null where it is none of ours. */
  #readJson(path: string): unknown {
    const bytes = readIfThere(path);
    if (bytes === undefined) return undefined;
    try {
      return JSON.parse(new TextDecoder().decode(bytes)) ?? null;
    } catch (error) {
      // A half-written file cannot be: it was renamed whole.
      if (error instanceof SyntaxError) return null;
      throw error;
    }
  }

  #writeKept(kept: KeptPolicy[]): void {
    writeDurably(this.#keptPath, JSON.stringify(kept, undefined, 1) + "\n");
    this.#kept = kept;
  }

  #setAside(path: string): void {
    this.#report(`${path} is damaged; it is kept as ${setAside(path)}`);
  }

  #path(sha256: string): string {
    return `${this.#folder}/${sha256}.yaml`;
  }
}

/** How many policies are kept at least. */
export const KEPT_POLICIES = 32;
/** How many more are let be, so that they are removed together. */
const LET_BE = 7;

const HASH = /^[0-9a-f]{64}$/;

function isKept(value: unknown): value is KeptPolicy {
  const { sha256, serial, name, file, good } = (value ?? {}) as Record<string, unknown>;
  return typeof sha256 === "string" && HASH.test(sha256) && Number.isSafeInteger(serial) &&
    typeof name === "string" && typeof file === "string" && typeof good === "boolean";
}

function identityOf({ bytes, file }: StoredPolicy): { serial: number; name: string } {
  const parsed = parsePolicy(bytes, file);
  return parsed.ok ? { serial: parsed.policy.serial, name: parsed.policy.name } : { serial: 0, name: "" };
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
