/**
 * Both directions against the real ssh-keygen: what it signs is accepted here, what it accepts and refuses likewise.
 *
 * @module
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { parseAllowedSigners } from "./allowed_signers.ts";
import { SignatureError } from "./failure.ts";
import { parseRevokedKeys } from "./revoked_keys.ts";
import { type Signer, signerOf, type Trust } from "./signer.ts";
import { NAMESPACE, readSignature } from "./sshsig.ts";
import { KeyFolder } from "./testing.ts";

const MESSAGE = Buffer.from("version: 1\nname: web\nserial: 1\nrules: []\n");

function trustOf(
  signers: string,
  { revoked = "", only }: { revoked?: string; only?: readonly string[] } = {},
): Trust {
  const parsed = parseAllowedSigners(Buffer.from(signers), "allowed_signers");
  const keys = parseRevokedKeys(Buffer.from(revoked), "revoked_keys");
  if (!parsed.ok || !keys.ok) throw new Error("Expected files without problems");
  return { signers: parsed.signers, file: "allowed_signers", revoked: keys.keys, only };
}

function refusalOf(action: () => unknown): SignatureError {
  try {
    action();
  } catch (error) {
    if (error instanceof SignatureError) return error;
    throw error;
  }
  throw new Error("Expected a refusal");
}

function accepts(action: () => Signer): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof SignatureError) return false;
    throw error;
  }
}

/** The version of this host's OpenSSH; hashes can be chosen from 8.9 on. */
const OPENSSH = Number(
  /^OpenSSH_(\d+\.\d+)/.exec(
    new TextDecoder().decode(new Deno.Command("ssh", { args: ["-V"] }).outputSync().stderr),
  )?.[1] ?? 0,
);

for (const type of ["ed25519", "ecdsa"]) {
  for (const hash of ["sha512", "sha256"]) {
    const name = `signerOf() accepts ssh-keygen's signature by ${type} over ${hash}`;
    Deno.test(name, { ignore: hash !== "sha512" && OPENSSH < 8.9 }, async () => {
      using keys = new KeyFolder();
      await keys.key("alice", type);
      const signature = await keys.sign("alice", MESSAGE, { options: ["-O", `hashalg=${hash}`] });
      strictEqual(readSignature(signature).hash, hash);
      const trust = trustOf(`# signers\nalice@example.com ${keys.publicKey("alice")}\n`);
      const signer = signerOf(MESSAGE, signature, trust, Date.now());
      const { out } = await keys.keygen(["-l", "-f", `${keys.path}/alice.pub`]);
      deepStrictEqual(signer, { principal: "alice@example.com", fingerprint: out.split(" ")[1], line: 2 });
    });
  }
}

Deno.test("signerOf() accepts every one of many ECDSA signatures, whatever the length of their numbers", async () => {
  using keys = new KeyFolder();
  await keys.key("alice", "ecdsa");
  const trust = trustOf(`alice ${keys.publicKey("alice")}`);
  for (let round = 0; round < 40; round++) {
    const message = Buffer.from(`message ${round}`);
    const signature = await keys.sign("alice", message);
    strictEqual(signerOf(message, signature, trust, Date.now()).principal, "alice");
  }
});

Deno.test("readSignature() refuses signatures by RSA keys and certificates, each with its reason", async () => {
  using keys = new KeyFolder();
  await keys.key("rsa", "rsa", "-b", "2048");
  const rsa = await keys.sign("rsa", MESSAGE);
  match(refusalOf(() => readSignature(rsa)).message, /^RSA keys are not accepted/);
  await keys.key("p384", "ecdsa", "-b", "384");
  const p384 = await keys.sign("p384", MESSAGE);
  match(refusalOf(() => readSignature(p384)).message, /^ECDSA keys on other curves \(ecdsa-sha2-nistp384\)/);
  await keys.key("ca");
  await keys.key("alice");
  const { code } = await keys.keygen([
    ...["-q", "-s", `${keys.path}/ca`, "-I", "id", "-n", "alice", `${keys.path}/alice.pub`],
  ]);
  strictEqual(code, 0);
  const certified = await keys.sign("alice-cert.pub", MESSAGE);
  match(
    refusalOf(() => readSignature(certified)).message,
    /^certificates \(ssh-ed25519-cert-v01@openssh\.com\)/,
  );
});

/** What a file of allowed signers says of alice's key, `KEY`; `as`: her name. */
const FILES: readonly { readonly signers: string; readonly as?: string; readonly accepted: boolean }[] = [
  { signers: "alice KEY", accepted: true },
  { signers: "bob KEY", accepted: false },
  { signers: "al* KEY", accepted: true },
  { signers: "*,!alice KEY", accepted: false },
  { signers: "!alice,* KEY", accepted: false },
  { signers: "!bob,* KEY", accepted: true },
  { signers: "!bob KEY", accepted: false },
  { signers: "?lice KEY", accepted: true },
  { signers: '"alice" KEY', accepted: true },
  { signers: '"alice smith" KEY', as: "alice smith", accepted: true },
  { signers: 'bob,"alice" KEY', accepted: true },
  { signers: "\t alice\tKEY", accepted: true },
  { signers: "alice KEY and a comment", accepted: true },
  { signers: "# comment\n\nalice KEY", accepted: true },
  { signers: "alice KEY\r", accepted: true },
  { signers: 'alice namespaces="file" KEY', accepted: false },
  { signers: 'alice namespaces="aegisbpf-policy" KEY', accepted: true },
  { signers: 'alice namespaces="file,aegisbpf-*" KEY', accepted: true },
  { signers: 'alice namespaces="*,!aegisbpf-policy" KEY', accepted: false },
  { signers: 'alice NameSpaces="aegisbpf-policy" KEY', accepted: true },
  { signers: 'alice namespaces="file" KEY\nalice KEY', accepted: true },
  { signers: 'alice valid-before="20200101" KEY', accepted: false },
  { signers: 'alice valid-before="20990101" KEY', accepted: true },
  { signers: 'alice valid-after="20200101" KEY', accepted: true },
  { signers: 'alice valid-after="20990101" KEY', accepted: false },
  { signers: 'alice valid-after="20200101",valid-before="20990101" KEY', accepted: true },
  { signers: 'alice valid-after="202001011200",valid-before="20990101123059" KEY', accepted: true },
  { signers: 'alice valid-before="20200101" KEY\nalice KEY', accepted: true },
  { signers: "alice cert-authority KEY", accepted: false },
];

Deno.test("signerOf() agrees with ssh-keygen -Y verify about every file of allowed signers", async () => {
  using keys = new KeyFolder();
  await keys.key("alice");
  const signature = await keys.sign("alice", MESSAGE);
  const signed = keys.file("signature", signature);
  for (const { signers, as = "alice", accepted } of FILES) {
    const text = `${signers.replaceAll("KEY", keys.publicKey("alice"))}\n`;
    const args = ["-Y", "verify", "-f", keys.file("signers", text), "-n", NAMESPACE, "-s", signed];
    const { code, err } = await keys.keygen([...args, "-I", as], MESSAGE);
    strictEqual(code === 0, accepted, `ssh-keygen: ${signers}: ${err}`);
    const trust = trustOf(text, { only: [as] });
    strictEqual(accepts(() => signerOf(MESSAGE, signature, trust, Date.now())), accepted, signers);
  }
});

Deno.test("signerOf() names those whom ssh-keygen -Y find-principals names", async () => {
  using keys = new KeyFolder();
  await keys.key("alice");
  const signature = await keys.sign("alice", MESSAGE);
  const signed = keys.file("signature", signature);
  for (const principals of ["alice@example.com", "alice,bob", "*@ops"]) {
    const text = `${principals} ${keys.publicKey("alice")}\n`;
    const { out } = await keys.keygen([
      "-Y",
      "find-principals",
      "-f",
      keys.file("signers", text),
      "-s",
      signed,
    ]);
    strictEqual(
      signerOf(MESSAGE, signature, trustOf(text), Date.now()).principal,
      out.trim().replaceAll("\n", ","),
    );
  }
});

Deno.test("signerOf() and ssh-keygen refuse a revoked key", async () => {
  using keys = new KeyFolder();
  await keys.key("alice");
  await keys.key("bob");
  const signature = await keys.sign("alice", MESSAGE);
  const signers = `alice ${keys.publicKey("alice")}\nbob ${keys.publicKey("bob")}\n`;
  const args = ["-Y", "verify", "-f", keys.file("signers", signers), "-n", NAMESPACE];
  const more = ["-I", "alice", "-s", keys.file("signature", signature)];
  for (const [name, code] of [["alice", 255], ["bob", 0]] as const) {
    const revoked = `# gone\n${keys.publicKey(name)}\n`;
    const ended = await keys.keygen([...args, ...more, "-r", keys.file("revoked", revoked)], MESSAGE);
    strictEqual(ended.code, code, ended.err);
    const trust = trustOf(signers, { revoked });
    strictEqual(accepts(() => signerOf(MESSAGE, signature, trust, Date.now())), code === 0);
  }
});

Deno.test("parseRevokedKeys() refuses a binary list by name", async () => {
  using keys = new KeyFolder();
  await keys.key("alice");
  const list = `${keys.path}/krl`;
  strictEqual((await keys.keygen(["-q", "-k", "-f", list, `${keys.path}/alice.pub`])).code, 0);
  const result = parseRevokedKeys(Deno.readFileSync(list), "krl");
  ok(!result.ok);
  match(result.problems[0]?.message ?? "", /^binary key revocation lists/);
});

Deno.test("every bit of a signature that is flipped makes it refused", async () => {
  using keys = new KeyFolder();
  for (const type of ["ed25519", "ecdsa"]) {
    await keys.key(type, type);
    const signature = await keys.sign(type, MESSAGE);
    const trust = trustOf(`alice ${keys.publicKey(type)}`);
    for (let bit = 0; bit < signature.length * 8; bit++) {
      const flipped = Uint8Array.from(signature);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      strictEqual(accepts(() => signerOf(MESSAGE, flipped, trust, Date.now())), false, `${type}, bit ${bit}`);
    }
  }
});
