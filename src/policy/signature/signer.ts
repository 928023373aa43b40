/**
 * Who signed a policy: a signature that fits its bytes, by a key that may sign policies now.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type AllowedSigner, isPrincipal } from "./allowed_signers.ts";
import { SignatureError } from "./failure.ts";
import { matchesPatternList } from "./patterns.ts";
import { checkSignature, NAMESPACE, readSignature } from "./sshsig.ts";

/** Whose signatures count. */
export interface Trust {
  readonly signers: readonly AllowedSigner[];
  /** The file of `signers`, for messages. */
  readonly file: string;
  /** Binary forms of keys in base64. */
  readonly revoked: ReadonlySet<string>;
  /** If given, only their signatures count: names that must be among a line's principals. */
  readonly only?: readonly string[] | undefined;
}

/** Who made a signature. */
export interface Signer {
  /** The name of `Trust.only` that fits, or else the line's principals as they are. */
  readonly principal: string;
  /** As `ssh-keygen -l` shows it. */
  readonly fingerprint: string;
  /** Of `allowed_signers`. */
  readonly line: number;
}

/**
 * Checks a signature and finds out whose it is.
 *
 * @param message The exact bytes that were signed.
 * @param armoured What `ssh-keygen -Y sign` wrote.
 * @param now Milliseconds since 1970; undefined: a key counts whenever it is or was valid.
 * @throws {SignatureError} if it is not accepted; the message says why.
 */
export function signerOf(
  message: Uint8Array,
  armoured: Uint8Array,
  trust: Trust,
  now: number | undefined,
): Signer {
  const signature = readSignature(armoured);
  const key = Buffer.from(signature.keyBlob).toString("base64");
  const { fingerprint } = signature.key;
  if (trust.revoked.has(key)) {
    throw new SignatureError("revoked", `the key ${fingerprint} is revoked; sign with another`);
  }
  checkSignature(signature, message);
  const lines = trust.signers.filter((signer) => signer.key === key);
  if (lines.length === 0) {
    throw new SignatureError(
      "unknown-key",
      `the key ${fingerprint} is not in ${trust.file}; add a line for it, or sign with another`,
    );
  }
  const refusals: SignatureError[] = [];
  for (const line of lines) {
    const found = judge(line, trust, now);
    if (typeof found === "string") return { principal: found, fingerprint, line: line.line };
    refusals.push(found);
  }
  const [first] = refusals;
  throw new SignatureError(first?.code ?? "unknown-key", refusals.map(({ message }) => message).join("; "));
}

/** The principal for whom a line speaks, or why it does not. */
function judge(
  signer: AllowedSigner,
  { file, only }: Trust,
  now: number | undefined,
): string | SignatureError {
  const { line, principals, namespaces, validAfter = 0, validBefore = Infinity, unusable } = signer;
  const refuse = (code: SignatureError["code"], why: string) =>
    new SignatureError(code, `${file}:${line}: ${why}`);
  if (unusable !== undefined) return refuse("unsupported", unusable);
  const principal = only === undefined ? principals : only.find((name) => isPrincipal(signer, name));
  if (principal === undefined) {
    return refuse("not-permitted", `the key is ${principals}'s, and only ${only?.join(", ")} may sign`);
  }
  if (namespaces !== undefined && !matchesPatternList(NAMESPACE, namespaces)) {
    return refuse("not-permitted", `the key may sign for ${namespaces}, not for ${NAMESPACE}`);
  }
  if (now !== undefined && now < validAfter) {
    return refuse("not-yet-valid", `the key is not valid before ${new Date(validAfter).toISOString()}`);
  }
  if (now !== undefined && now > validBefore) {
    return refuse("expired", `the key expired: it was valid until ${new Date(validBefore).toISOString()}`);
  }
  return principal;
}
