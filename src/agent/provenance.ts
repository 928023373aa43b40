/**
 * Whether a policy may be used here, by who signed it. Every road into the kernel leads through this: apply, dry run,
 * reload, rollback and start-up; rules by hand, which nobody signs, are refused where only signed policy is accepted.
 *
 * @module
 */
import { SignatureError } from "../policy/signature/failure.ts";
import { type Signer, signerOf, type Trust } from "../policy/signature/signer.ts";
import { type Config, readConfig } from "./config.ts";
import { expiryDoubt } from "./expiry.ts";
import type { Locations } from "./locations.ts";
import type { InForce } from "./in_force.ts";
import { Refusal } from "./refusal.ts";
import type { SignedFile } from "./signed_file.ts";
import { TrustReader } from "./trust.ts";

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

/** Judges where policies come from. */
export class Provenance {
  readonly #files: Locations;
  readonly #config: Config;
  readonly #trust: TrustReader;

  constructor(files: Locations, config: Config) {
    this.#files = files;
    this.#config = config;
    this.#trust = new TrustReader(files);
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
      standing === "kept" && (isOutdated || !this.#config.require_signature);
    if (!goesOn) throw refusal;
    return { ...found, warnings: [...warnings, refusal.message] };
  }

  /** What is doubtful now about the policy in force and about who may sign, one line each. */
  doubts(inForce: InForce | undefined): readonly string[] {
    const doubts = this.#configDoubts();
    // Without bytes it is no policy: only rules by hand are in force.
    if (inForce === undefined || inForce.bytes.length === 0) return doubts;
    const expired = expiryDoubt(inForce.own);
    return [...this.admit(inForce, "in-force").warnings, ...(expired ? [expired] : []), ...doubts];
  }

  #configDoubts(): readonly string[] {
    const { config } = this.#files;
    try {
      const { require_signature, signers = [] } = readConfig(config);
      const isSame = require_signature === this.#config.require_signature &&
        signers.join() === (this.#config.signers ?? []).join();
      return isSame ? [] : [`who may sign was changed in ${config}: it counts once the agent is restarted`];
    } catch (error) {
      if (error instanceof Refusal) return [`the agent could not be started again: ${error.message}`];
      throw error;
    }
  }

  /** Why nothing by hand is accepted; undefined where it is. */
  get byHandRefused(): string | undefined {
    return this.#config.require_signature
      ? `only signed policy is accepted (require_signature in ${this.#files.config}); change the policy, and sign it`
      : undefined;
  }

  #judge(source: SignedFile): Judgement {
    const { bytes, file, signature } = source;
    const required = this.#config.require_signature;
    if (signature === undefined) return required ? { refusal: this.#unsigned(file) } : {};
    let trust: Trust | undefined;
    try {
      trust = this.#trust.read(this.#config.signers);
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
