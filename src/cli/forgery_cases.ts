/**
 * Signatures that must be refused: missing, of something else, damaged, forged. See provenance_test.ts.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { wireString } from "../policy/signature/wire.ts";
import { keySignature, partsOf, policyText, publicKeyOf, type RefusedCase } from "./signed_host.ts";

/** All of them. */
export function forgeryCases(): readonly RefusedCase[] {
  return [...SIGNATURES, ...ARMOUR, ...BLOBS];
}

const NO_SIGNATURE = /web\.yaml: this is no OpenSSH signature: /;

const SIGNATURES: readonly RefusedCase[] = [
  {
    name: "no signature",
    prepare: ({ signature }) => Deno.removeSync(signature),
    says:
      /web\.yaml is not signed, and only signed policy is accepted here .*; sign it: aegisbpf policy sign/,
  },
  {
    name: "no signature, for a dry run",
    prepare: ({ signature }) => Deno.removeSync(signature),
    options: ["--dry-run"],
    says: /web\.yaml is not signed/,
  },
  {
    name: "no signature, by force",
    prepare: ({ signature }) => Deno.removeSync(signature),
    options: ["--force"],
    says: /web\.yaml is not signed/,
  },
  {
    name: "a bit of the policy flipped",
    prepare: (host) => void host.keys.file("web.yaml", policyText().replace("read", "reae")),
    says: /web\.yaml: the signature does not fit the file/,
  },
  {
    name: "another policy's signature",
    prepare: async (host) => {
      const other = await host.keys.sign("alice", Buffer.from(policyText({ serial: 21 })));
      host.sign(other);
    },
    says: /the signature does not fit the file: one of the two was changed, or it is another file's/,
  },
  {
    name: "a line end more",
    prepare: (host) => void host.keys.file("web.yaml", `${policyText()}\n`),
    says: /the signature does not fit/,
  },
  {
    name: "line ends turned into CRLF",
    prepare: (host) => void host.keys.file("web.yaml", policyText().replaceAll("\n", "\r\n")),
    says: /the signature does not fit/,
  },
  {
    name: "a byte order mark in front",
    prepare: (host) => void host.keys.file("web.yaml", `\ufeff${policyText()}`),
    says: /the signature does not fit/,
  },
  {
    name: "a bit of the signature flipped",
    prepare: (host) => {
      const { signature } = partsOf(Deno.readTextFileSync(host.signature));
      const flipped = Uint8Array.from(signature);
      flipped[40] = (flipped[40] ?? 0) ^ 1;
      host.forge({ signature: flipped });
    },
    says: /the signature does not fit/,
  },
  {
    name: "another's key put into the signature",
    prepare: (host) => {
      const key = Buffer.from(publicKeyOf(host, "mallory").split(" ")[1] ?? "", "base64");
      host.forge({ key });
    },
    says: /the signature does not fit/,
  },
  {
    name: "another namespace",
    prepare: (host) => host.put(policyText(), "alice", "file"),
    says:
      /the signature was made for the namespace "file", not for aegisbpf-policy: sign with -n aegisbpf-policy/,
  },
  {
    name: "another namespace, renamed in the signature",
    prepare: async (host) => {
      await host.put(policyText(), "alice", "file");
      host.forge({ namespace: "aegisbpf-policy" });
    },
    says: /the signature does not fit/,
  },
  {
    name: "no namespace",
    prepare: (host) => host.forge({ namespace: "" }),
    says: /the signature was made for the namespace "", not for/,
  },
];

const ARMOUR: readonly RefusedCase[] = [
  {
    name: "an empty signature",
    prepare: (host) => host.sign(""),
    says: /this is no OpenSSH signature: it does not begin with -----BEGIN SSH SIGNATURE-----/,
  },
  {
    name: "a cut off armour",
    prepare: (host) => host.changeSignature((text) => text.slice(0, 200)),
    says: /this is no OpenSSH signature: it is cut off: there is no -----END SSH SIGNATURE-----/,
  },
  {
    name: "a line of the armour missing",
    prepare: (host) => host.changeSignature((text) => text.split("\n").toSpliced(-4, 1).join("\n")),
    says: /this is no OpenSSH signature: what stands between|the signature is damaged: it ends too early/,
  },
  {
    name: "an armour with CRLF",
    prepare: (host) => host.changeSignature((text) => text.replaceAll("\n", "\r\n")),
    says: /this is no OpenSSH signature: its lines end in CRLF; convert them to LF/,
  },
  {
    name: "bytes behind the armour",
    prepare: (host) => host.changeSignature((text) => `${text}trailing`),
    says: /this is no OpenSSH signature: 9 bytes follow -----END SSH SIGNATURE-----/,
  },
  {
    name: "two signatures",
    prepare: (host) => host.changeSignature((text) => text + text),
    says: /this is no OpenSSH signature: \d+ bytes follow/,
  },
  {
    name: "text in front of the armour",
    prepare: (host) => host.changeSignature((text) => `\n${text}`),
    says: /it does not begin with -----BEGIN/,
  },
  {
    name: "a PGP signature",
    prepare: (host) => host.changeSignature((text) => text.replaceAll("SSH", "PGP")),
    says: /it does not begin with -----BEGIN SSH/,
  },
  {
    name: "a signature without armour",
    prepare: (host) => host.sign(Buffer.from("SSHSIG\0\0\0\x01")),
    says: NO_SIGNATURE,
  },
  {
    name: "something that is no base64",
    prepare: (host) => host.changeSignature((text) => text.replace("\nU1NI", "\nU1N!")),
    says: /what stands between its first and its last line is no base64/,
  },
  {
    name: "nothing in the armour",
    prepare: (host) => host.sign("-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n"),
    says: NO_SIGNATURE,
  },
  {
    name: "a huge signature",
    prepare: (host) => host.changeSignature((text) => text + "A".repeat(1 << 20)),
    says: /The signature cannot be accepted: .*web\.yaml\.sig: is larger than 16384 bytes/,
  },
];

const BLOBS: readonly RefusedCase[] = [
  {
    name: "bytes behind the signature in the armour",
    prepare: (host) => host.forge({ rest: "xyz" }),
    says: /the signature is damaged: 3 bytes follow its end/,
  },
  {
    name: "something other than a signature in the armour",
    prepare: (host) => host.forge({ magic: "SSHKRL" }),
    says: /the signature is damaged: it does not begin with SSHSIG/,
  },
  {
    name: "a later version",
    prepare: (host) => host.forge({ version: 2 }),
    says: /the signature is of version 2, not 1/,
  },
  {
    name: "reserved data",
    prepare: (host) => host.forge({ reserved: "x" }),
    says: /the signature is damaged: it holds reserved data/,
  },
  {
    name: "a weak hash",
    prepare: (host) => host.forge({ hash: "sha1" }),
    says: /the hash "sha1" is not accepted; use sha512 or sha256/,
  },
  {
    name: "another hash than the one that was used",
    prepare: (host) => host.forge({ hash: "sha256" }),
    says: /the signature does not fit/,
  },
  {
    name: "a signature that is too short",
    prepare: (host) => host.forge({ signature: keySignature("ssh-ed25519", new Uint8Array(63)) }),
    says: /the signature is damaged: it has 63 bytes where 64 are expected/,
  },
  {
    name: "a signature of zeros",
    prepare: (host) => host.forge({ signature: keySignature("ssh-ed25519", new Uint8Array(64)) }),
    says: /the signature does not fit/,
  },
  {
    name: "a signature by another algorithm than the key's",
    prepare: (host) => host.forge({ signature: keySignature("rsa-sha2-512", new Uint8Array(64)) }),
    says: /a key of the kind ssh-ed25519 has no signatures by "rsa-sha2-512"/,
  },
  {
    name: "bytes behind the key's signature",
    prepare: (host) => host.forge({ signature: keySignature("ssh-ed25519", new Uint8Array(64), "x") }),
    says: /the signature is damaged: 1 bytes follow its end/,
  },
  {
    name: "a key of zeros",
    prepare: (host) => {
      const key = Buffer.concat([wireString("ssh-ed25519"), wireString(new Uint8Array(32))]);
      host.forge({ key, signature: keySignature("ssh-ed25519", new Uint8Array(64)) });
    },
    says: /web\.yaml: (?:the signature does not fit|the key SHA256:\S+ is not in)/,
  },
  {
    name: "an ECDSA signature of zero",
    prepare: async (host) => {
      await host.put(policyText(), "bob");
      const zeros = Buffer.concat([wireString(""), wireString("")]);
      host.forge({ signature: keySignature("ecdsa-sha2-nistp256", zeros) });
    },
    says: /the signature is damaged: it holds a number that is not positive/,
  },
  {
    name: "an ECDSA signature with needless zeros",
    prepare: async (host) => {
      await host.put(policyText(), "bob");
      const numbers = Buffer.concat([wireString(Uint8Array.of(0, 1)), wireString(Uint8Array.of(1))]);
      host.forge({ signature: keySignature("ecdsa-sha2-nistp256", numbers) });
    },
    says: /the signature is damaged: it holds a number that is not in its shortest form/,
  },
  {
    name: "an ECDSA signature with a number that is too large",
    prepare: async (host) => {
      await host.put(policyText(), "bob");
      const numbers = Buffer.concat([wireString(new Uint8Array(40).fill(1)), wireString(Uint8Array.of(1))]);
      host.forge({ signature: keySignature("ecdsa-sha2-nistp256", numbers) });
    },
    says: /the signature is damaged: it holds a number that is too large/,
  },
];
