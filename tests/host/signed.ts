/**
 * Where only signed policy is accepted, on this machine's own kernel: every road into it, by the real command line and the real
 * ssh-keygen.
 *
 *   deno run --allow-all tests/host/signed.ts --agent PATH [--only PART-OF-A-NAME]
 *
 * Prints a line of JSON for each case.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { parseArgs } from "node:util";
import { KeyFolder } from "../../src/policy/signature/testing.ts";
import { type Cases, type Host, runCases } from "./installation.ts";

const { values } = parseArgs({
  options: { agent: { type: "string", default: "" }, only: { type: "string", default: "" } },
});

/** Alice's key, and the host's files that let her sign. */
class Signers implements Disposable {
  readonly keys = new KeyFolder();
  readonly #etc: string;
  readonly #host: Host;

  private constructor(host: Host) {
    this.#host = host;
    this.#etc = `${host.folder}/root/etc/aegisbpf`;
    Deno.mkdirSync(this.#etc, { recursive: true });
  }

  static async over(host: Host): Promise<Signers> {
    const signers = new Signers(host);
    await signers.keys.key("alice");
    signers.write("config.yaml", "require_signature: true\n");
    signers.allow();
    return signers;
  }

  allow(options = ""): void {
    this.write("allowed_signers", `alice@example.com ${options} ${this.keys.publicKey("alice")}\n`);
  }

  write(name: string, content: string): void {
    Deno.writeTextFileSync(`${this.#etc}/${name}`, content, { mode: 0o600 });
  }

  /** Signs the host's policy file. */
  async sign(): Promise<void> {
    const { code, err } = await this.#host.ask(
      "policy",
      "sign",
      this.#host.policy,
      "--key",
      `${this.keys.path}/alice`,
    );
    strictEqual(code, 0, err);
  }

  [Symbol.dispose](): void {
    this.keys[Symbol.dispose]();
  }
}

async function health(host: Host) {
  return JSON.parse((await host.ask("health", "--json")).out);
}

const OFF = ["--events", "off", "--record", "off"];

const CASES: Cases = {
  "an unsigned policy is refused at the start, and nothing stays": async (host) => {
    using signers = await Signers.over(host);
    const asked = await host.refused("--backend", "tracepoint");
    strictEqual(asked.code, 5, asked.err);
    match(asked.err, /policy\.yaml is not signed, and only signed policy is accepted here/);
    ok(!host.pinned);
    signers.write("policy.yaml", Deno.readTextFileSync(host.policy));
    const configured = await host.ask("run", "--backend", "tracepoint", ...OFF);
    strictEqual(configured.code, 5, configured.err);
    ok(!host.pinned);
  },

  "every road but a signed one is refused with 5, and the policy in force stays": async (host) => {
    using signers = await Signers.over(host);
    await signers.sign();
    await host.start(...OFF);
    const unchanged = async () => {
      const { policy } = await health(host);
      deepStrictEqual([policy.serial, policy.signer], [1, "alice@example.com"]);
    };
    await unchanged();
    host.write(2);
    for (const options of [[], ["--dry-run"], ["--force"], ["--confirm-within", "60s"]]) {
      const { code, err } = await host.ask("policy", "apply", host.policy, ...options);
      strictEqual(code, 5, err);
      match(err, /the signature does not fit the file/);
    }
    Deno.removeSync(`${host.policy}.sig`);
    strictEqual((await host.ask("policy", "apply", host.policy)).code, 5);
    host.signal("SIGHUP");
    await host.until(() => /reload refused.*policy\.yaml is not signed/.test(host.log), "the refusal");
    for (
      const byHand of [
        ["deny", "add", host.secret],
        ["deny", "remove", "hand:1"],
        ["allow", "add", "/"],
        ["allow", "remove", "/"],
      ]
    ) {
      const { code, err } = await host.ask(...byHand);
      strictEqual(code, 5, `${byHand.join(" ")}: ${err}`);
      match(err, /only signed policy is accepted/);
    }
    await unchanged();
    await signers.sign();
    host.signal("SIGHUP");
    await host.until(() => host.log.includes("applied policy life, serial 2"), "serial 2");
    const { entries } = JSON.parse((await host.ask("policy", "history", "--json")).out);
    strictEqual(entries.at(-1).signer, "alice@example.com");
  },

  "an agent that was killed is followed by one that keeps a policy whose key has expired since": async (
    host,
  ) => {
    using signers = await Signers.over(host);
    await signers.sign();
    await host.start(...OFF);
    await host.end("SIGKILL");
    signers.allow('valid-before="20250101Z"');
    await host.again(...OFF);
    const report = await health(host);
    deepStrictEqual([report.ok, report.policy.serial, report.policy.signer], [true, 1, "alice@example.com"]);
    match(report.reasons.join("\n"), /allowed_signers:1: the key expired: it was valid until 2025/);
    host.write(2);
    await signers.sign();
    const { code, err } = await host.ask("policy", "apply", host.policy);
    strictEqual(code, 5, err);
    match(err, /the key expired/);
  },

  "a policy goes back only to one that is signed": async (host) => {
    using signers = await Signers.over(host);
    await signers.sign();
    await host.start(...OFF);
    host.write(2);
    await signers.sign();
    strictEqual((await host.ask("policy", "apply", host.policy)).code, 0);
    strictEqual((await host.ask("policy", "rollback")).code, 0);
    deepStrictEqual((await health(host)).policy.serial, 1);
    strictEqual((await host.ask("policy", "rollback", "--to", "2")).code, 0);
    signers.write("revoked_keys", `${signers.keys.publicKey("alice")}\n`);
    const { code, err } = await host.ask("policy", "rollback", "--to", "1");
    strictEqual(code, 5, err);
    match(err, /the key SHA256:\S+ is revoked/);
    deepStrictEqual((await health(host)).policy.serial, 2);
  },

  "a configuration that others may write keeps the agent from starting": async (host) => {
    using signers = await Signers.over(host);
    await signers.sign();
    Deno.chmodSync(`${host.folder}/root/etc/aegisbpf/config.yaml`, 0o620);
    const writable = await host.refused("--backend", "tracepoint");
    strictEqual(writable.code, 2, writable.err);
    match(writable.err, /config\.yaml: is writable by its group; chmod go-w/);
    signers.write("config.yaml", "require_signature: no thanks\n");
    Deno.chmodSync(`${host.folder}/root/etc/aegisbpf/config.yaml`, 0o600);
    const invalid = await host.refused("--backend", "tracepoint");
    strictEqual(invalid.code, 2, invalid.err);
    match(invalid.err, /config\.yaml:1:20: require_signature: found "no thanks"; expected true or false/);
    ok(!host.pinned);
  },
};

await runCases("signed", CASES, values);
