/**
 * Whether a policy may be used here, by who signed it. Every road into the kernel leads through this: apply, dry run,
 * reload, rollback and start-up; rules by hand, which nobody signs, are refused where only signed policy is accepted.
 *
 * @module
 */
import { SignatureError } from "../policy/signature/failure.ts";
import { type Signer, signerOf, type Trust } from "../policy/signature/signer.ts";
import type { Config } from "./config.ts";
import type { Locations } from "./locations.ts";
import { Refusal } from "./refusal.ts";
import type { SignedFile } from "./signed_file.ts";
import { readTrust } from "./trust.ts";

/**
 * What a policy is on this host. `new`: all that is asked for is asked of it. `kept`: it was accepted before, and is to come
 * into force again: it does not matter whether its key is still valid by the clock, which may be wrong. `in-force`: the
 * kernel has it: it goes on, whatever is found.
 */
export type Standing = "new" | "kept" | "in-force";

/** What was found. */
export interface Admission {
  /** The signer's principal; null for an unsigned policy. */
  readonly signer: string | null;
  /** SHA-256 of the signer's key as `ssh-keygen -l` shows it. */
  readonly fingerprint?: string;
  /** What is doubtful, one line each. */
  readonly warnings: readonly string[];
}

/** Parts of the configuration that this goes by. */
export type ProvenanceConfig = Pick<Config, "require_signature" | "signers">;

/** Judges where policies come from. */
export class Provenance {
  /** May be replaced while the agent runs. */
  config: ProvenanceConfig;
  readonly #files: Locations;

  constructor(files: Locations, config: ProvenanceConfig) {
    this.#files = files;
    this.config = config;
  }

  /**
   * Who signed a policy. Files about keys are read anew each time: a key that is revoked counts for nothing at once.
   *
   * @throws {Refusal} 5 if the policy may not be used.
   */
  admit(source: SignedFile, standing: Standing): Admission {
    const { signer, refusal, isOutdated = false, warnings = [] } = this.#judge(source);
    const found = {
      signer: signer?.principal ?? null,
      ...(signer ? { fingerprint: signer.fingerprint } : {}),
    };
    if (refusal === undefined) return { ...found, warnings };
    const goesOn = standing === "in-force" ||
      standing === "kept" && (isOutdated || !this.config.require_signature);
    if (!goesOn) throw refusal;
    return { ...found, warnings: [...warnings, refusal.message] };
  }

  /** What is doubtful now about the policy in force, one line each. */
  doubts(source: SignedFile): readonly string[] {
    return this.admit(source, "in-force").warnings;
  }

  /** Why nothing by hand is accepted; undefined where it is. */
  get byHandRefused(): string | undefined {
    return this.config.require_signature
      ? `only signed policy is accepted (require_signature in ${this.#files.config}): put it into the policy and sign that`
      : undefined;
  }

  #judge(source: SignedFile): Judgement {
    const { bytes, file, signature } = source;
    const required = this.config.require_signature;
    if (signature === undefined) return required ? { refusal: this.#unsigned(file) } : {};
    let trust: Trust | undefined;
    try {
      trust = readTrust(this.#files, this.config.signers);
    } catch (error) {
      if (error instanceof Refusal) return { refusal: error };
      throw error;
    }
    const known = trust ?? { signers: [], file: this.#files.allowedSigners, revoked: new Set() };
    try {
      return { signer: signerOf(bytes, signature, known, Date.now()) };
    } catch (error) {
      if (!(error instanceof SignatureError)) throw error;
      if (error.code === "unknown-key" && trust === undefined) return this.#unjudged(file, required);
      const refusal = new Refusal(5, `${file}: ${error.message}`);
      if (error.code !== "expired" && error.code !== "not-yet-valid") return { refusal };
      return { refusal, isOutdated: true, signer: signerOf(bytes, signature, known, undefined) };
    }
  }

  #unsigned(file: string): Refusal {
    const why = `only signed policy is accepted here (require_signature in ${this.#files.config})`;
    return new Refusal(
      5,
      `${file} is not signed, and ${why}; sign it: aegisbpf policy sign ${file} --key KEY`,
    );
  }

  /** The signature fits, and there is no telling whose it is. */
  #unjudged(file: string, required: boolean): Judgement {
    const missing = `there is no ${this.#files.allowedSigners}`;
    return required
      ? { refusal: new Refusal(5, `${file}: nobody's signature is accepted: ${missing}`) }
      : { warnings: [`${file} is signed, but nobody's signature is known here: ${missing}`] };
  }
}

interface Judgement {
  readonly signer?: Signer;
  readonly refusal?: Refusal;
  /** It is refused only for the time of day. */
  readonly isOutdated?: boolean;
  readonly warnings?: readonly string[];
}
