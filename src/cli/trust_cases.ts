/**
 * Policies that must be refused though their signatures are genuine: for whose they are, for the files that say so, and for
 * what they say. See provenance_test.ts.
 *
 * @module
 */
import { policyText, publicKeyOf, type RefusedCase } from "./signed_host.ts";

/** All of them. */
export function trustCases(): readonly RefusedCase[] {
  return [...KEYS, ...FILES, ...CONTENTS];
}

const mode = (path: string, bits: number) => Deno.chmodSync(path, bits);

/** Puts a symbolic link to a file in its place. */
function link(path: string): void {
  Deno.renameSync(path, `${path}.real`);
  Deno.symlinkSync(`${path}.real`, path);
}

const KEYS: readonly RefusedCase[] = [
  {
    name: "a key that nobody allowed",
    prepare: (host) => host.put(policyText(), "mallory"),
    says: /web\.yaml: the key SHA256:\S{43} is not in .*allowed_signers/,
  },
  {
    name: "another principal than those who may sign",
    prepare: async (host) => {
      host.config.signers = ["alice@example.com", "carol@example.com"];
      await host.put(policyText(), "bob");
    },
    says:
      /allowed_signers:2: the key is bob@example\.com's, and only alice@example\.com, carol@example\.com may sign/,
  },
  {
    name: "a principal that a line leaves out",
    prepare: (host) => {
      host.config.signers = ["alice@example.com"];
      host.allow(`*@example.com,!alice@example.com ${publicKeyOf(host, "alice")}`);
    },
    says: /allowed_signers:1: the key is \*@example\.com,!alice@example\.com's, and only alice@/,
  },
  {
    name: "a key whose time is over",
    prepare: (host) => host.allow(`alice@example.com valid-before="20250101Z" ${publicKeyOf(host, "alice")}`),
    says: /allowed_signers:1: the key expired: it was valid until 2025-01-01T00:00:00\.000Z/,
  },
  {
    name: "a key whose time has not come",
    prepare: (host) => host.allow(`alice@example.com valid-after="20990101Z" ${publicKeyOf(host, "alice")}`),
    says: /allowed_signers:1: the key is not valid before 2099-01-01T00:00:00\.000Z/,
  },
  {
    name: "a key for other namespaces",
    prepare: (host) => host.allow(`alice@example.com namespaces="git,file" ${publicKeyOf(host, "alice")}`),
    says: /allowed_signers:1: the key may sign for git,file, not for aegisbpf-policy/,
  },
  {
    name: "a key with two lines, neither of which lets it",
    prepare: (host) => {
      const key = publicKeyOf(host, "alice");
      host.allow(
        `alice@example.com namespaces="git" ${key}\nalice@example.com valid-before="20250101" ${key}`,
      );
    },
    says: /allowed_signers:1: the key may sign for git, .*; .*allowed_signers:2: the key expired/,
  },
  {
    name: "a revoked key",
    prepare: (host) => host.revoke(`# stolen\n${publicKeyOf(host, "alice")}\n`),
    says: /web\.yaml: the key SHA256:\S{43} is revoked/,
  },
  {
    name: "a key of a certificate authority",
    prepare: (host) => host.allow(`alice@example.com cert-authority ${publicKeyOf(host, "alice")}`),
    says: /allowed_signers:1: certificate authorities are not accepted; list each signer's own key/,
  },
  {
    name: "a certificate",
    prepare: async (host) => {
      const { path } = host.keys;
      await host.keys.keygen(["-q", "-s", `${path}/bob`, "-I", "id", "-n", "alice", `${path}/alice.pub`]);
      await host.put(policyText(), "alice-cert.pub");
    },
    says: /web\.yaml: certificates \(ssh-ed25519-cert-v01@openssh\.com\) are not accepted/,
  },
  {
    name: "an RSA key, allowed as it may be",
    prepare: async (host) => {
      await host.keys.key("rsa", "rsa", "-b", "2048");
      host.allow(`alice@example.com ${publicKeyOf(host, "rsa")}`);
      await host.put(policyText(), "rsa");
    },
    says: /web\.yaml: RSA keys are not accepted; use ssh-ed25519 or ecdsa-sha2-nistp256/,
  },
  {
    name: "an ECDSA key on another curve",
    prepare: async (host) => {
      await host.keys.key("p384", "ecdsa", "-b", "384");
      await host.put(policyText(), "p384");
    },
    says: /web\.yaml: ECDSA keys on other curves \(ecdsa-sha2-nistp384\) are not accepted/,
  },
];

const FILES: readonly RefusedCase[] = [
  {
    name: "no allowed_signers",
    prepare: ({ places }) => Deno.removeSync(places.allowedSigners),
    says: /web\.yaml: nobody's signature is accepted: there is no .*allowed_signers/,
  },
  {
    name: "an empty allowed_signers",
    prepare: (host) => host.allow("# nobody"),
    says: /the key SHA256:\S+ is not in .*allowed_signers/,
  },
  {
    name: "an allowed_signers with a broken line",
    prepare: (host) => host.allow(`alice@example.com ${publicKeyOf(host, "alice")}\nbob ssh-ed25519 AAAA`),
    says:
      /allowed_signers:2:17: .*\naegisbpf: No signature can be accepted: .*allowed_signers:2:17: the key is damaged/,
  },
  {
    name: "an allowed_signers that its group may write",
    prepare: ({ places }) => mode(places.allowedSigners, 0o664),
    says: /No signature can be accepted: .*allowed_signers: is writable by its group; chmod go-w/,
  },
  {
    name: "an allowed_signers that everyone may write",
    prepare: ({ places }) => mode(places.allowedSigners, 0o606),
    says: /allowed_signers: is writable by everyone/,
  },
  {
    name: "an allowed_signers of somebody else's",
    prepare: ({ places }) => Deno.chownSync(places.allowedSigners, 65534, 65534),
    says: /allowed_signers: belongs to uid 65534, not to root/,
  },
  {
    name: "an allowed_signers that is a symbolic link",
    prepare: ({ places }) => link(places.allowedSigners),
    says: /allowed_signers: is a symbolic link/,
  },
  {
    name: "a huge allowed_signers",
    prepare: (host) => host.allow("#".repeat(2 << 20)),
    says: /allowed_signers: is larger than 262144 bytes/,
  },
  {
    name: "a revoked_keys that everyone may write",
    prepare: (host) => {
      host.revoke("");
      mode(host.places.revokedKeys, 0o666);
    },
    says: /revoked_keys: is writable by everyone/,
  },
  {
    name: "a revoked_keys that makes no sense",
    prepare: (host) => host.revoke("SHA256:abc\n"),
    says: /revoked_keys:1:1: "SHA256:abc" is no kind of key/,
  },
  {
    name: "a binary revocation list",
    prepare: (host) => host.revoke("SSHKRL\n\0"),
    says: /revoked_keys:1:1: binary key revocation lists \(ssh-keygen -k\) are not read/,
  },
  {
    name: "a signature that is a symbolic link",
    prepare: (host) => link(host.signature),
    says: /The signature cannot be accepted: .*web\.yaml\.sig: is a symbolic link/,
  },
  {
    name: "a signature that everyone may write",
    prepare: (host) => mode(host.signature, 0o666),
    says: /web\.yaml\.sig: is writable by everyone/,
  },
  {
    name: "a signature that is a directory",
    prepare: (host) => {
      Deno.removeSync(host.signature);
      Deno.mkdirSync(host.signature);
    },
    says: /web\.yaml\.sig: is a directory, not a regular file/,
  },
  {
    name: "a policy that is a symbolic link",
    prepare: (host) => link(host.policy),
    says: /web\.yaml: is a symbolic link/,
  },
  {
    name: "a policy that its group may write",
    prepare: (host) => mode(host.policy, 0o620),
    says: /web\.yaml: is writable by its group/,
  },
  {
    name: "a policy in a directory that everyone may write",
    prepare: (host) => mode(host.keys.path, 0o777),
    says: /web\.yaml: lies in .*, which is writable by everyone/,
  },
  {
    name: "a huge policy",
    prepare: (host) => host.put(policyText({ more: `${"#".repeat(80)}\n`.repeat(110_000) })),
    says: /web\.yaml: is larger than \d+ bytes/,
    exit: 4,
  },
];

const CONTENTS: readonly RefusedCase[] = [
  {
    name: "a lower serial",
    prepare: (host) => host.put(policyText({ serial: 9 })),
    says: /web\.yaml has serial 9, lower than 10/,
  },
  {
    name: "the same serial with other content",
    prepare: (host) => host.put(policyText({ serial: 10, name: "other" })),
    says: /web\.yaml has serial 10 like .*, but other content: raise the serial/,
  },
  {
    name: "a serial beyond all numbers",
    prepare: (host) => host.put(policyText({ serial: "9007199254740993" })),
    says: /web\.yaml:3:9: serial: /,
    exit: 4,
  },
  {
    name: "a serial of zero",
    prepare: (host) => host.put(policyText({ serial: 0 })),
    says: /web\.yaml:3:9: serial: 0 is too small/,
    exit: 4,
  },
  {
    name: "an expired policy",
    prepare: (host) => host.put(policyText({ more: "expires: 2025-01-01T00:00:00Z\n" })),
    says: /web\.yaml expired at 2025-01-01T00:00:00Z; set a later time in expires, and raise the serial/,
  },
  {
    name: "an expired policy, for a dry run",
    prepare: (host) => host.put(policyText({ more: "expires: 2025-01-01T01:00:00+01:00\n" })),
    options: ["--dry-run"],
    says: /web\.yaml expired at 2025-01-01T01:00:00\+01:00/,
  },
  {
    name: "a signed policy that is not valid",
    prepare: (host) => host.put(policyText({ more: "mood: bad\n" })),
    says: /web\.yaml:5:1: mood: unknown key "mood"/,
    exit: 4,
  },
  {
    name: "a signed policy that would lock the host out",
    prepare: (host) =>
      host.put(policyText().replace("/var/tmp/aegisbpf-watched", "/**").replace("audit", "enforce")),
    says: /web\.yaml:\d+:\d+: .*rule watched/,
    exit: 4,
  },
];
