import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { NAMESPACE } from "../policy/signature/sshsig.ts";
import { KeyFolder } from "../policy/signature/testing.ts";
import { POLICY, TestHost } from "./test_support.ts";

/** A host with alice's key, a policy, and a list of signers that has her. */
class SigningHost extends TestHost {
  readonly keys = new KeyFolder();
  readonly policy = this.file("web.yaml", POLICY);
  readonly signature = `${this.policy}.sig`;
  readonly signers = this.file("signers", "");

  async add(type = "ed25519"): Promise<string> {
    const key = await this.keys.key("alice", type);
    this.file("signers", `alice@example.com ${this.keys.publicKey("alice")}\n`);
    return key;
  }

  /** What `ssh-keygen -Y verify` says of the policy and its signature. */
  async sshVerify(): Promise<number> {
    const args = ["-Y", "verify", "-f", this.signers, "-I", "alice@example.com", "-n", NAMESPACE];
    return (await this.keys.keygen([...args, "-s", this.signature], Deno.readFileSync(this.policy))).code;
  }

  override [Symbol.dispose](): void {
    this.keys[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

for (const type of ["ed25519", "ecdsa"]) {
  Deno.test(`policy sign writes a signature by ${type} that ssh-keygen and policy verify accept`, async () => {
    using host = new SigningHost();
    const key = await host.add(type);
    equal(await host.run(`policy sign ${host.policy} --key ${key}`), 0, host.err);
    match(host.out, /web\.yaml\.sig: signed by SHA256:\S{43}\n$/);
    equal(await host.sshVerify(), 0);
    equal((Deno.statSync(host.signature).mode ?? 0) & 0o777, 0o600);
    equal(await host.run(`policy verify ${host.policy} --allowed-signers ${host.signers}`), 0, host.err);
    match(host.out, /web\.yaml: good signature by alice@example\.com, SHA256:\S{43}\n$/);
    equal(await host.run(`policy verify ${host.policy} --allowed-signers ${host.signers} --json`), 0);
    const { ok: good, signer, key: fingerprint, allowed_by } = JSON.parse(host.out);
    deepEqual([good, signer, allowed_by.line], [true, "alice@example.com", 1]);
    ok(fingerprint.startsWith("SHA256:"));
  });
}

Deno.test("policy sign --json says what was signed, and signs anew over an old signature", async () => {
  using host = new SigningHost();
  const key = await host.add();
  Deno.writeTextFileSync(host.signature, "old");
  equal(await host.run(`policy sign ${host.policy} --key ${key} --json`), 0, host.err);
  const { signature, sha256 } = JSON.parse(host.out);
  deepEqual([signature, sha256.length], [host.signature, 64]);
  equal(await host.sshVerify(), 0);
});

Deno.test("policy sign uses a key with a passphrase, and says when it was not given", async () => {
  using host = new SigningHost();
  await host.add();
  const path = `${host.keys.path}/locked`;
  equal((await host.keys.keygen(["-q", "-t", "ed25519", "-N", "secret", "-f", path])).code, 0);
  const ask = host.keys.file("ask", "#!/bin/sh\necho secret\n");
  const environment = { SSH_ASKPASS: ask, SSH_ASKPASS_REQUIRE: "force", DISPLAY: ":none" };
  const before = Object.keys(environment).map((name) => [name, Deno.env.get(name)] as const);
  try {
    for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
    Deno.chmodSync(ask, 0o600);
    equal(await host.run(`policy sign ${host.policy} --key ${path}`), 2);
    match(host.err, /locked: ssh-keygen did not sign: /);
    Deno.chmodSync(ask, 0o700);
    equal(await host.run(`policy sign ${host.policy} --key ${path}`), 0, host.err);
  } finally {
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  }
});

Deno.test("policy sign lets ssh-agent sign, by the public key", async () => {
  using host = new SigningHost();
  const key = await host.add();
  const socket = `${host.keys.path}/agent`;
  const agent = new Deno.Command("ssh-agent", { args: ["-D", "-a", socket], stdout: "null", stderr: "null" })
    .spawn();
  const before = Deno.env.get("SSH_AUTH_SOCK");
  try {
    while (!exists(socket)) await new Promise((resolve) => setTimeout(resolve, 20));
    Deno.env.set("SSH_AUTH_SOCK", socket);
    const added = await new Deno.Command("ssh-add", { args: ["-q", key], stderr: "piped" }).output();
    equal(added.code, 0, new TextDecoder().decode(added.stderr));
    Deno.removeSync(key);
    equal(await host.run(`policy sign ${host.policy} --key ${key}.pub`), 0, host.err);
    equal(await host.sshVerify(), 0);
  } finally {
    if (before === undefined) Deno.env.delete("SSH_AUTH_SOCK");
    else Deno.env.set("SSH_AUTH_SOCK", before);
    agent.kill();
    await agent.status;
  }
});

Deno.test("policy sign refuses keys of other kinds and writes nothing", async () => {
  using host = new SigningHost();
  const key = await host.keys.key("rsa", "rsa", "-b", "2048");
  equal(await host.run(`policy sign ${host.policy} --key ${key}`), 5);
  match(host.err, /RSA keys are not accepted; use ssh-ed25519 or ecdsa-sha2-nistp256; nothing was written/);
  ok(!exists(host.signature));
});

Deno.test("policy sign refuses an invalid policy, a missing key and a missing ssh-keygen", async () => {
  using host = new SigningHost();
  const key = await host.add();
  const broken = host.file("broken.yaml", "version: 2\n");
  equal(await host.run(`policy sign ${broken} --key ${key}`), 4);
  match(host.err, /broken\.yaml:1:10: version/);
  ok(!exists(`${broken}.sig`));
  equal(await host.run(`policy sign ${host.policy} --key ${host.root}/none`), 2);
  match(host.err, /none: ssh-keygen did not sign: .*No such file or directory/);
  const path = Deno.env.get("PATH") ?? "";
  try {
    Deno.env.set("PATH", host.root);
    equal(await host.run(`policy sign ${host.policy} --key ${key}`), 2);
    match(host.err, /signing needs ssh-keygen: apt-get install openssh-client/);
  } finally {
    Deno.env.set("PATH", path);
  }
  equal(await host.run(`policy sign ${host.policy}`), 2);
  match(host.err, /--key <KEY>/);
});

Deno.test("policy verify accepts what ssh-keygen -Y sign signed", async () => {
  using host = new SigningHost();
  await host.add();
  const signature = host.file(
    "other.sig",
    new TextDecoder().decode(
      await host.keys.sign("alice", Deno.readFileSync(host.policy)),
    ),
  );
  const line = `policy verify ${host.policy} --allowed-signers ${host.signers}`;
  equal(await host.run(`${line} --signature ${signature}`), 0, host.err);
  equal(await host.run(`${line} --signature ${signature} --principal alice@example.com`), 0, host.err);
  equal(await host.run(`${line} --signature ${signature} --principal bob@example.com`), 5);
  match(host.err, /the key is alice@example\.com's, and only bob@example\.com may sign/);
  equal(await host.run(line), 5);
  match(host.err, /web\.yaml is not signed: there is no .*web\.yaml\.sig/);
});

Deno.test("policy verify goes by the host's own files where none are given", async () => {
  using host = new SigningHost();
  const key = await host.add();
  equal(await host.run(`policy sign ${host.policy} --key ${key}`), 0, host.err);
  equal(await host.run(`policy verify ${host.policy}`), 5);
  match(host.err, /Nobody's signature is accepted: there is no .*allowed_signers/);
  Deno.mkdirSync(`${host.root}/etc/aegisbpf`, { recursive: true });
  Deno.copyFileSync(host.signers, host.places.allowedSigners);
  equal(await host.run(`policy verify ${host.policy}`), 0, host.err);
  Deno.writeTextFileSync(host.places.config, "signers: [bob@example.com]\n", { mode: 0o600 });
  equal(await host.run(`policy verify ${host.policy}`), 5);
  match(host.err, /only bob@example\.com may sign/);
  Deno.writeTextFileSync(host.places.config, "signer: [bob@example.com]\n");
  equal(await host.run(`policy verify ${host.policy}`), 2);
  match(host.err, /config\.yaml:1:1: signer: unknown key "signer"/);
  Deno.removeSync(host.places.config);
  Deno.writeTextFileSync(host.places.revokedKeys, host.keys.publicKey("alice"), { mode: 0o600 });
  equal(await host.run(`policy verify ${host.policy} --json`), 5);
  match(JSON.parse(host.out).message, /web\.yaml: the key SHA256:\S+ is revoked/);
});

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
