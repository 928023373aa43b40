/**
 * Public keys of OpenSSH: which kinds are accepted, and how their signatures are checked.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, createPublicKey, type JsonWebKey, type KeyObject, verify } from "node:crypto";
import { quote } from "../syntax.ts";
import { SignatureError } from "./failure.ts";
import { WireError, WireReader } from "./wire.ts";

/** The kinds of keys that are accepted. */
export const KEY_TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp256"] as const;

/** One of the kinds that are accepted. */
export type KeyType = typeof KEY_TYPES[number];

/** A key whose signatures can be checked. */
export interface PublicKey {
  readonly type: KeyType;
  /** As `ssh-keygen -l` shows it: `SHA256:` and 43 characters. */
  readonly fingerprint: string;
  readonly key: KeyObject;
}

/**
 * Reads a key in OpenSSH's binary form.
 *
 * @throws {SignatureError} `unsupported` for keys of other kinds, `malformed` for what is no key.
 */
export function readPublicKey(blob: Uint8Array): PublicKey {
  try {
    const reader = new WireReader(blob);
    const name = reader.name();
    const type = KEY_TYPES.find((known) => known === name);
    if (type === undefined) throw new SignatureError("unsupported", unsupportedKey(name));
    const key = importKey(type, reader);
    return { type, fingerprint: fingerprintOf(blob), key };
  } catch (error) {
    if (error instanceof WireError) {
      throw new SignatureError("malformed", `the key is damaged: ${error.message}`);
    }
    throw error;
  }
}

/** `SHA256:` and the hash of a key's binary form, as `ssh-keygen -l` shows it. */
export function fingerprintOf(blob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** Whether a word is the name of some kind of OpenSSH key, accepted or not. */
export function isKeyType(word: string): boolean {
  return KEY_TYPES.some((type) => type === word) || KEY_NAME.test(word);
}

/** Why keys of a kind are not accepted: a sentence without its full stop. */
export function unsupportedKey(type: string): string {
  const accepted = `use ${KEY_TYPES.join(" or ")}`;
  if (type.includes("-cert-v0")) return `certificates (${type}) are not accepted; list the signer's own key`;
  if (type.startsWith("sk-")) return `keys of security devices (${type}) are not accepted; ${accepted}`;
  if (/^(?:ssh-rsa|rsa-)/.test(type)) return `RSA keys are not accepted; ${accepted}`;
  if (type === "ssh-dss") return `DSA keys are not accepted; ${accepted}`;
  if (type.startsWith("ecdsa-sha2-")) {
    return `ECDSA keys on other curves (${type}) are not accepted; ${accepted}`;
  }
  return `keys of the kind ${quote(type)} are not accepted; ${accepted}`;
}

/**
 * Whether `signature`, in OpenSSH's binary form, is one of `message` by the key.
 *
 * @throws {SignatureError} `unsupported` if the key makes no such signatures, `malformed` for what is none.
 */
export function verifiesKey({ type, key }: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    const reader = new WireReader(signature);
    const algorithm = reader.name();
    if (algorithm !== type) {
      const message = `a key of the kind ${type} has no signatures by ${quote(algorithm)}`;
      throw new SignatureError("unsupported", message);
    }
    const raw = reader.string();
    reader.end();
    if (type === "ssh-ed25519") {
      if (raw.length !== 64) throw new WireError(`it has ${raw.length} bytes where 64 are expected`);
      return verify(null, message, key, raw);
    }
    return verify("sha256", message, key, derSignature(raw));
  } catch (error) {
    if (error instanceof WireError) {
      throw new SignatureError("malformed", `the signature is damaged: ${error.message}`);
    }
    throw error;
  }
}

/** Names that OpenSSH gives to kinds of keys, past and present. */
const KEY_NAME =
  /^(?:ssh-(?:rsa|dss|ed25519|xmss@openssh\.com)|ecdsa-sha2-nistp(?:256|384|521)|rsa-sha2-(?:256|512)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com|[a-z0-9-]+-cert-v0[01]@openssh\.com)$/;

function importKey(type: KeyType, reader: WireReader): KeyObject {
  if (type === "ssh-ed25519") {
    const x = reader.string();
    reader.end();
    if (x.length !== 32) throw new WireError(`it has ${x.length} bytes where 32 are expected`);
    return fromJwk({ kty: "OKP", crv: "Ed25519", x: base64url(x) });
  }
  const curve = reader.name();
  if (curve !== "nistp256") throw new WireError(`its curve is ${quote(curve)} where nistp256 is expected`);
  const point = reader.string();
  reader.end();
  if (point.length !== 65 || point[0] !== 4) throw new WireError("its point is not an uncompressed one");
  return fromJwk({
    kty: "EC",
    crv: "P-256",
    x: base64url(point.subarray(1, 33)),
    y: base64url(point.subarray(33)),
  });
}

function fromJwk(key: JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key, format: "jwk" });
  } catch {
    // The library only says that it will not: what is left to be wrong is the point.
    throw new WireError("its point is not on the curve");
  }
}

/**
 * An ECDSA signature as DER, which is what this runtime's `verify` takes: it ignores `dsaEncoding`. A positive mpint is a
 * DER integer's content.
 */
function derSignature(raw: Uint8Array): Uint8Array {
  const reader = new WireReader(raw);
  const numbers = [reader.positive(32), reader.positive(32)];
  reader.end();
  const content = Buffer.concat(numbers.flatMap((number) => [Uint8Array.of(0x02, number.length), number]));
  return Buffer.concat([Uint8Array.of(0x30, content.length), content]);
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
