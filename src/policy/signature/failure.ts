/**
 * Why a signature is not accepted, and where a file about signatures is wrong.
 *
 * @module
 */

/**
 * Which of the checks failed. `unsigned`: there is no signature; `malformed`: it is no OpenSSH signature; `unsupported`:
 * one of a kind that is not accepted; `namespace`: it was made for something else; `mismatch`: it is not one of these
 * bytes; `revoked`, `unknown-key`, `not-permitted`, `not-yet-valid`, `expired`: what is known of its key.
 */
export type SignatureErrorCode =
  | "unsigned"
  | "malformed"
  | "unsupported"
  | "namespace"
  | "mismatch"
  | "revoked"
  | "unknown-key"
  | "not-permitted"
  | "not-yet-valid"
  | "expired";

/** A signature that is not accepted. The message is a clause that says why, as in "FILE: MESSAGE". */
export class SignatureError extends Error {
  override readonly name = "SignatureError";

  constructor(readonly code: SignatureErrorCode, message: string) {
    super(message);
  }
}
