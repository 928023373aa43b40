/**
 * Ways to slip a policy past require_signature, each through `policy apply` to a real agent: each is refused with 5 or 4 and
 * a message of its own, and what is in force stays. Signatures are the real ssh-keygen's, or forged from them.
 *
 * @module
 */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { forgeryCases } from "./forgery_cases.ts";
import { policyText, publicKeyOf as keyOf, SignedHost } from "./signed_host.ts";
import { trustCases } from "./trust_cases.ts";

const mode = (path: string, bits: number) => Deno.chmodSync(path, bits);

Deno.test("policy apply refuses each way round a signature with a message of its own, and changes nothing", async (t) => {
  await using host = await SignedHost.create();
  const before = host.inForce;
  const cases = [...forgeryCases(), ...trustCases()];
  for (const { name, prepare, says, exit = 5, options = [] } of cases) {
    await t.step(name, async () => {
      await host.reset();
      await prepare(host);
      try {
        equal(await host.apply(...options), exit, `${host.out}${host.err}`);
        match(host.err, says);
        equal(host.out, "");
        equal(host.inForce, before);
      } finally {
        mode(host.keys.path, 0o700);
      }
    });
  }
  ok(cases.length >= 40);
  await host.reset();
  equal(await host.apply(), 0, host.err);
  deepEqual([host.agent.policy()?.serial, host.agent.policy()?.signer], [20, "alice@example.com"]);
});

Deno.test("policy apply accepts what is signed rightly, whatever else is there", async (t) => {
  await using host = await SignedHost.create();
  const accepted: readonly [
    name: string,
    signer: string,
    prepare: (host: SignedHost) => void | Promise<void>,
  ][] = [
    ["by alice", "alice@example.com", () => {}],
    ["by bob, ECDSA", "bob@example.com", (host) => host.put(policyText(), "bob")],
    ["by a pattern", "*@example.com", (host) => host.allow(`*@example.com ${keyOf(host, "alice")}`)],
    ["by a name that a pattern has", "alice@example.com", (host) => {
      host.allow(`*@example.com ${keyOf(host, "alice")}`);
      host.config.signers = ["alice@example.com"];
    }],
    ["beside keys that are not accepted", "alice@example.com", async (host) => {
      await host.keys.key("rsa", "rsa", "-b", "2048");
      const rsa = `carol@example.com ${keyOf(host, "rsa")}`;
      host.allow(
        `${rsa}\nca@example.com cert-authority ${keyOf(host, "bob")}\nalice@example.com ${
          keyOf(host, "alice")
        }`,
      );
    }],
    ["while others are revoked", "alice@example.com", (host) => host.revoke(keyOf(host, "mallory"))],
    ["by the second of a key's lines", "alice@example.com", (host) => {
      const key = keyOf(host, "alice");
      host.allow(`alice@example.com valid-before="20250101" ${key}\nalice@example.com ${key}`);
    }],
    [
      "by an armour without its last line end",
      "alice@example.com",
      (host) => host.changeSignature((text) => text.trimEnd()),
    ],
  ];
  for (const [index, [name, signer, prepare]] of accepted.entries()) {
    await t.step(name, async () => {
      await host.reset();
      await prepare(host);
      const by = signer.startsWith("bob") ? "bob" : "alice";
      const text = policyText({ serial: 30 + index });
      host.keys.file("web.yaml", text);
      const signature = new TextDecoder().decode(await host.keys.sign(by, Buffer.from(text)));
      host.sign(name.includes("armour") ? signature.trimEnd() : signature);
      equal(await host.apply("--dry-run"), 0, host.err);
      equal(await host.apply(), 0, host.err);
      equal(host.agent.policy()?.signer, signer);
      equal(host.agent.health().policy?.signer, signer);
      equal(await host.run("policy show"), 0);
      match(host.out, new RegExp(`signed by ${signer.replace("*", "\\*")}`));
    });
  }
});

Deno.test("what was read is what is judged and applied, whatever happens to the files meanwhile", async () => {
  await using host = await SignedHost.create();
  const { bytes, signature } = {
    bytes: Deno.readFileSync(host.policy),
    signature: Deno.readFileSync(host.signature),
  };
  // What another puts there once the command has read both.
  await host.reset();
  await host.put(policyText({ serial: 40, name: "other" }), "mallory");
  const result = host.agent.apply({ bytes, signature, source: "", file: host.policy });
  equal(result.applied, false);
  const good = Buffer.from(policyText({ serial: 41 }));
  const signed = await host.keys.sign("alice", good);
  Deno.removeSync(host.policy);
  Deno.removeSync(host.signature);
  equal(host.agent.apply({ bytes: good, signature: signed, source: "", file: host.policy }).applied, true);
});

Deno.test("a policy in force goes on when its signature is no longer accepted, and health says so", async () => {
  await using host = await SignedHost.create();
  const reasons = () => host.agent.health().reasons.join("\n");
  const before = host.inForce;
  ok(!/key|sign|expired/.test(reasons()), reasons());
  const doubts: readonly [prepare: () => void | Promise<void>, says: RegExp][] = [
    [
      () => host.allow(`alice@example.com valid-before="20250101" ${keyOf(host, "alice")}`),
      /the key expired/,
    ],
    [() => host.allow("# nobody"), /is not in .*allowed_signers/],
    [() => host.revoke(keyOf(host, "alice")), /the key SHA256:\S+ is revoked/],
    [() => mode(host.places.allowedSigners, 0o666), /allowed_signers: is writable by everyone/],
    [() => Deno.removeSync(host.places.allowedSigners), /there is no .*allowed_signers/],
  ];
  for (const [prepare, says] of doubts) {
    await host.reset();
    await prepare();
    match(reasons(), says);
    equal(host.inForce, before);
    equal(host.agent.health().ok, true);
  }
});

Deno.test("health says when who may sign was changed since the agent was started", async () => {
  await using host = await SignedHost.create();
  const reasons = () => host.agent.health().reasons.join("\n");
  Deno.writeTextFileSync(host.places.config, "require_signature: true\n", { mode: 0o600 });
  ok(!reasons().includes("config.yaml"), reasons());
  Deno.writeTextFileSync(host.places.config, "require_signature: false\n", { mode: 0o600 });
  match(reasons(), /who may sign was changed in .*config\.yaml: it counts once the agent is restarted/);
  Deno.writeTextFileSync(host.places.config, "require_signature: maybe\n", { mode: 0o600 });
  match(reasons(), /the agent could not be started again: .*config\.yaml is not a valid configuration/);
});

Deno.test("the policy in force, signed anew by another key, keeps the new signature", async () => {
  await using host = await SignedHost.create();
  const live = host.installation.state.control.live;
  await host.put(policyText({ serial: 10 }), "bob");
  equal(await host.apply(), 0, host.err);
  match(host.out, /unchanged, in force already/);
  equal(host.installation.state.control.live, live);
  equal(host.agent.policy()?.signer, "bob@example.com");
  const { what, signer, reason } = host.agent.rollout.history.entries.at(-1) ?? {};
  deepEqual([what, signer, /new signature is kept/.test(reason ?? "")], ["apply", "bob@example.com", true]);
  const { length } = host.agent.rollout.history.entries;
  equal(await host.apply(), 0, host.err);
  equal(host.agent.rollout.history.entries.length, length);
  const { sha256 } = host.agent.engine.current ?? { sha256: "" };
  deepEqual(host.installation.store.read(sha256)?.signature, Deno.readFileSync(host.signature));
});

Deno.test("without require_signature a policy needs no signature, but one that is there must be right", async () => {
  await using host = await SignedHost.create();
  host.config.require_signature = false;
  await host.put(policyText({ serial: 50 }), null);
  Deno.removeSync(host.signature);
  equal(await host.apply(), 0, host.err);
  equal(host.agent.policy()?.signer, null);
  await host.put(policyText({ serial: 51 }), "mallory");
  equal(await host.apply(), 5);
  match(host.err, /the key SHA256:\S+ is not in/);
  await host.put(policyText({ serial: 51 }));
  equal(await host.apply(), 0, host.err);
  equal(host.agent.policy()?.signer, "alice@example.com");
  Deno.removeSync(host.places.allowedSigners);
  await host.put(policyText({ serial: 52 }));
  equal(await host.apply(), 0, host.err);
  match(host.err, /warning: .*web\.yaml is signed, but nobody's signature is known here: there is no/);
  equal(host.agent.policy()?.signer, null);
});
