/**
 * OpenSSH's signatures of files (PROTOCOL.sshsig), as `ssh-keygen -Y sign` writes them: read strictly, so that one
 * signature has one text but for where its lines break.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { quote } from "../syntax.ts";
import { SignatureError } from "./failure.ts";
import { type PublicKey, readPublicKey, verifiesKey } from "./public_key.ts";
import { fromBase64, WireError, WireReader, wireString } from "./wire.ts";

/** The namespace of policies: `ssh-keygen -Y sign -n aegisbpf-policy`. */
export const NAMESPACE = "aegisbpf-policy";

/** Largest signature in bytes, armour included; one that is accepted has less than 500. */
export const MAX_SIGNATURE_BYTES = 16 * 1024;

/** A signature that was read, not yet checked. */
export interface SshSignature {
  readonly key: PublicKey;
  /** The key's binary form, as `allowed_signers` has it in base64. */
  readonly keyBlob: Uint8Array;
  readonly namespace: string;
  readonly hash: "sha256" | "sha512";
  readonly signature: Uint8Array;
}

/**
 * Reads an armoured signature.
 *
 * @throws {SignatureError} `malformed` or `unsupported`.
 */
export function readSignature(armoured: Uint8Array): SshSignature {
  try {
    return readBlob(dearmour(armoured));
  } catch (error) {
    if (error instanceof WireError) {
      throw new SignatureError("malformed", `the signature is damaged: ${error.message}`);
    }
    throw error;
  }
}

/**
 * Checks that a signature is one of `message`, made for {@linkcode NAMESPACE}. Whether its key may sign is another question.
 *
 * @throws {SignatureError} `namespace`, `mismatch`, `malformed` or `unsupported`.
 */
export function checkSignature({ key, namespace, hash, signature }: SshSignature, message: Uint8Array): void {
  if (namespace !== NAMESPACE) {
    const made = `the signature was made for the namespace ${quote(namespace)}`;
    throw new SignatureError("namespace", `${made}, not for ${NAMESPACE}: sign with -n ${NAMESPACE}`);
  }
  const digest = createHash(hash).update(message).digest();
  const signed = [wireString(namespace), wireString(""), wireString(hash), wireString(digest)];
  if (!verifiesKey(key, Buffer.concat([MAGIC, ...signed]), signature)) {
    const what =
      "the signature does not fit the file: one of the two was changed, or it is another file's; sign it again";
    throw new SignatureError("mismatch", what);
  }
}

const MAGIC = Buffer.from("SSHSIG");
const VERSION = 1;
const BEGIN = "-----BEGIN SSH SIGNATURE-----";
const END = "-----END SSH SIGNATURE-----";

function dearmour(armoured: Uint8Array): Uint8Array {
  if (armoured.length > MAX_SIGNATURE_BYTES) {
    throw malformed(`it has ${armoured.length} bytes, more than ${MAX_SIGNATURE_BYTES}`);
  }
  const text = Buffer.from(armoured).toString("latin1");
  if (text.includes("\r")) throw malformed("its lines end in CRLF; convert them to LF");
  if (!text.startsWith(`${BEGIN}\n`)) throw malformed(`it does not begin with ${BEGIN}`);
  const end = text.indexOf(`\n${END}`);
  if (end === -1) throw malformed(`it is cut off: there is no ${END}`);
  const rest = text.slice(end + 1 + END.length);
  if (rest !== "" && rest !== "\n") throw malformed(`${rest.length} bytes follow ${END}`);
  const bytes = fromBase64(
    text.slice(BEGIN.length + 1, Math.max(end, BEGIN.length + 1)).replaceAll("\n", ""),
  );
  if (bytes === undefined) throw malformed("what stands between its first and its last line is no base64");
  return bytes;
}

function readBlob(bytes: Uint8Array): SshSignature {
  const reader = new WireReader(bytes);
  if (!MAGIC.equals(reader.bytes(MAGIC.length))) throw new WireError("it does not begin with SSHSIG");
  const version = reader.uint32();
  if (version !== VERSION) {
    throw new SignatureError("unsupported", `the signature is of version ${version}, not ${VERSION}`);
  }
  const keyBlob = reader.string();
  const namespace = reader.name();
  const reserved = reader.string();
  const hash = reader.name();
  const signature = reader.string();
  reader.end();
  if (reserved.length > 0) throw new WireError("it holds reserved data, which means nothing yet");
  if (hash !== "sha256" && hash !== "sha512") {
    throw new SignatureError("unsupported", `the hash ${quote(hash)} is not accepted; use sha512 or sha256`);
  }
  return { key: readPublicKey(keyBlob), keyBlob, namespace, hash, signature };
}

function malformed(reason: string): SignatureError {
  return new SignatureError("malformed", `this is no OpenSSH signature: ${reason}`);
}
