/**
 * A policy file with the signature beside it, FILE.sig: each is read once, and what was read goes on together.
 *
 * @module
 */
import { PolicyFileError, readPolicyFile } from "../policy/read.ts";
import { MAX_SIGNATURE_BYTES } from "../policy/signature/sshsig.ts";
import { Refusal } from "./refusal.ts";

/** A policy as it comes in. */
export interface SignedFile {
  readonly bytes: Uint8Array;
  /** For messages. */
  readonly file: string;
  /** What `ssh-keygen -Y sign` wrote; absent: it is not signed. */
  readonly signature?: Uint8Array;
}

/** The name of a policy's signature. */
export function signatureName(file: string): string {
  return `${file}.sig`;
}

/**
 * Reads a policy and its signature, if there is one.
 *
 * @throws {PolicyFileError} if the policy cannot be read or must not be trusted.
 * @throws {Refusal} 5 if that is so of the signature.
 */
export function readSignedFile(path: string): SignedFile {
  const { bytes } = readPolicyFile(path);
  const signature = readSignatureFile(signatureName(path));
  return { bytes, file: path, ...(signature ? { signature } : {}) };
}

/**
 * Reads a signature; undefined where there is none.
 *
 * @throws {Refusal} 5 if it cannot be read or must not be trusted.
 */
export function readSignatureFile(path: string): Uint8Array | undefined {
  try {
    return readPolicyFile(path, { maxBytes: MAX_SIGNATURE_BYTES }).bytes;
  } catch (error) {
    if (!(error instanceof PolicyFileError)) throw error;
    if (error.code === "missing") return undefined;
    throw new Refusal(5, `The signature cannot be accepted: ${error.message}`);
  }
}
