/**
 * The roads into the kernel other than apply: starting over what is there, going back, by hand. What apply refuses is in
 * ../cli/provenance_test.ts.
 *
 * @module
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Anchor } from "../kernel/anchor.ts";
import { KeyFolder } from "../policy/signature/testing.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import { PolicyStore } from "./policy_store.ts";
import { Provenance } from "./provenance.ts";
import { Rollout } from "./rollout.ts";
import { planStart } from "./start_plan.ts";
import { policyBytes, refusalOf, TestInstallation } from "./test_support.ts";

/** Alice may sign. An agent over an installation; another one over the same stands for a restart. */
class Agents implements Disposable {
  host = new TestInstallation();
  readonly keys = new KeyFolder();
  #anchor: Anchor | undefined;
  rollout: Rollout | undefined;
  engine: PolicyEngine | undefined;

  constructor(readonly required = true) {
    const { config } = this.host.places;
    Deno.mkdirSync(config.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(config, `require_signature: ${required}\n`, { mode: 0o600 });
  }

  static async create(required = true): Promise<Agents> {
    const agents = new Agents(required);
    await agents.keys.key("alice");
    agents.allow("");
    return agents;
  }

  get provenance(): Provenance {
    return new Provenance(this.host.places, { require_signature: this.required });
  }

  /** Alice's line, with options. */
  allow(options: string): void {
    const line = `alice@example.com ${options} ${this.keys.publicKey("alice")}\n`;
    Deno.writeTextFileSync(this.host.places.allowedSigners, line, { mode: 0o600 });
  }

  revoke(): void {
    Deno.writeTextFileSync(this.host.places.revokedKeys, this.keys.publicKey("alice"), { mode: 0o600 });
  }

  /** A policy with its signature. */
  async signed(serial: number) {
    const bytes = policyBytes({ serial, paths: [`/nowhere/${serial}`] });
    return { bytes, file: `/p${serial}.yaml`, signature: await this.keys.sign("alice", bytes) };
  }

  /** Writes a policy file, with its signature or without. */
  async write(path: string, serial: number, by: string | null = "alice"): Promise<string> {
    const bytes = policyBytes({ serial, paths: [`/nowhere/${serial}`] });
    Deno.writeFileSync(path, bytes, { mode: 0o600 });
    if (by !== null) Deno.writeFileSync(`${path}.sig`, await this.keys.sign(by, bytes), { mode: 0o600 });
    return path;
  }

  /** Starts an agent over what is there. @throws {Refusal} as the agent does. */
  start(asked?: string): Rollout {
    this.#anchor?.[Symbol.dispose]();
    const { host, provenance } = this;
    const { places: locations, store, pins } = host;
    const plan = planStart(asked, { locations, store, pins, provenance });
    this.engine = host.engine();
    this.#anchor = Anchor.open(pins.folder);
    this.rollout = new Rollout({
      engine: this.engine,
      store,
      state: locations.state,
      anchor: this.#anchor,
      log: () => {},
      reverted: () => {},
      admit: (source, standing) => provenance.admit(source, standing),
    });
    this.rollout.start(plan);
    return this.rollout;
  }

  /** As after a reboot: the kernel has nothing, the files are there. */
  reboot(): void {
    const before = this.host;
    this.#anchor?.[Symbol.dispose]();
    this.#anchor = undefined;
    this.host = new TestInstallation();
    for (const folder of ["etc", "var"]) {
      const { code } = new Deno.Command("cp", {
        args: ["-a", "-T", `${before.folder}/${folder}`, `${this.host.folder}/${folder}`],
      }).outputSync();
      strictEqual(code, 0);
    }
    // The list of what is kept is read when it is first asked for.
    this.host = Object.assign(this.host, { store: new PolicyStore(this.host.places.state) });
    before[Symbol.dispose]();
  }

  get serial(): number | undefined {
    return this.engine?.current?.policy.serial;
  }

  get signer(): string | null | undefined {
    return this.engine?.current?.signer;
  }

  get doubts(): string {
    return this.provenance.doubts(this.engine?.current).join("\n");
  }

  [Symbol.dispose](): void {
    this.#anchor?.[Symbol.dispose]();
    this.host[Symbol.dispose]();
    this.keys[Symbol.dispose]();
  }
}

const EXPIRED = 'valid-before="20250101Z"';

Deno.test("start() goes on with what the kernel has, whatever has become of its signature", async () => {
  using agents = await Agents.create();
  agents.start().apply(await agents.signed(1), {});
  deepStrictEqual([agents.serial, agents.signer], [1, "alice@example.com"]);
  strictEqual(agents.doubts, "");
  agents.allow(EXPIRED);
  agents.start();
  deepStrictEqual([agents.serial, agents.signer], [1, "alice@example.com"]);
  match(agents.doubts, /allowed_signers:1: the key expired/);
  agents.revoke();
  agents.start();
  deepStrictEqual([agents.serial, agents.signer], [1, null]);
  match(agents.doubts, /is revoked/);
  Deno.removeSync(`${agents.host.places.state}/policies/${agents.engine?.current?.sha256}.yaml.sig`);
  agents.start();
  strictEqual(agents.serial, 1);
  match(agents.doubts, /is not signed, and only signed policy is accepted here/);
});

Deno.test("start() after a reboot takes the last policy though its key has expired since, and health says so", async () => {
  using agents = await Agents.create();
  agents.start().apply(await agents.signed(1), {});
  for (const options of [EXPIRED, 'valid-after="20990101Z"']) {
    agents.allow(options);
    agents.reboot();
    agents.start();
    deepStrictEqual([agents.serial, agents.signer], [1, "alice@example.com"]);
    match(agents.doubts, /the key expired|the key is not valid before/);
  }
});

Deno.test("start() after a reboot refuses a last policy whose key is revoked or unknown, or that was put there", async () => {
  using agents = await Agents.create();
  agents.start().apply(await agents.signed(1), {});
  const { sha256 = "" } = agents.engine?.current ?? {};
  agents.revoke();
  agents.reboot();
  match(refusalOf(() => agents.start()).message, /\/p1\.yaml: the key SHA256:\S+ is revoked/);
  Deno.removeSync(agents.host.places.revokedKeys);
  Deno.writeTextFileSync(agents.host.places.allowedSigners, "# nobody\n");
  match(refusalOf(() => agents.start()).message, /is not in .*allowed_signers/);
  agents.allow("");
  Deno.removeSync(`${agents.host.places.state}/policies/${sha256}.yaml.sig`);
  const refusal = refusalOf(() => agents.start());
  deepStrictEqual([refusal.exit, /\/p1\.yaml is not signed/.test(refusal.message)], [5, true]);
  const { store } = agents.host;
  const forged = policyBytes({ serial: 2, paths: ["/forged"] });
  const hash = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", forged)));
  const other = hash.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  store.keep({ bytes: forged, sha256: other, file: "/p2.yaml" });
  store.markCurrent({ sha256: other, file: "/p2.yaml" });
  match(refusalOf(() => agents.start()).message, /\/p2\.yaml is not signed/);
});

Deno.test("start() takes the configured policy where the last one is refused, and the history says why", async () => {
  using agents = await Agents.create();
  agents.start().apply(await agents.signed(1), {});
  const { sha256 } = agents.engine?.current ?? {};
  agents.reboot();
  Deno.removeSync(`${agents.host.places.state}/policies/${sha256}.yaml.sig`);
  await agents.write(agents.host.places.policy, 2);
  agents.start();
  deepStrictEqual([agents.serial, agents.signer], [2, "alice@example.com"]);
  const { reason, signer } = agents.rollout?.history.entries.at(-1) ?? {};
  match(reason ?? "", /the last policy is not used: \/p1\.yaml is not signed/);
  strictEqual(signer, "alice@example.com");
});

Deno.test("start() refuses a policy that is asked for or configured and not signed", async () => {
  using agents = await Agents.create();
  const path = await agents.write(`${agents.keys.path}/asked.yaml`, 1, null);
  strictEqual(refusalOf(() => agents.start(path)).exit, 5);
  await agents.write(agents.host.places.policy, 1, null);
  match(refusalOf(() => agents.start()).message, /policy\.yaml is not signed/);
  await agents.write(agents.host.places.policy, 1);
  agents.start();
  strictEqual(agents.serial, 1);
  Deno.removeSync(`${agents.host.places.policy}.sig`);
  agents.start(agents.host.places.policy);
  deepStrictEqual([agents.serial, agents.signer], [1, "alice@example.com"]);
  const other = await agents.write(`${agents.keys.path}/other.yaml`, 2, null);
  strictEqual(refusalOf(() => agents.start(other)).exit, 5);
});

Deno.test("start() does not ask for the dates of a policy that was in force last", async () => {
  using agents = await Agents.create(false);
  const soon = new Date(Date.now() + 1500).toISOString();
  const text = new TextDecoder().decode(policyBytes({ serial: 1, paths: ["/x"] }));
  const bytes = new TextEncoder().encode(`${text}expires: ${soon}\n`);
  agents.start().apply({ bytes, file: "/p1.yaml" }, {});
  while (Date.now() <= Date.parse(soon)) await new Promise((resolve) => setTimeout(resolve, 50));
  match(agents.doubts, /expired at .*: it stays in force; apply one that has not expired/);
  agents.start();
  agents.reboot();
  agents.start();
  strictEqual(agents.serial, 1);
  const other = new TextEncoder().encode(`${text.replace("serial: 1", "serial: 2")}expires: ${soon}\n`);
  match(
    refusalOf(() => agents.rollout?.apply({ bytes: other, file: "/p2.yaml" }, {})).message,
    /\/p2\.yaml expired/,
  );
  strictEqual(agents.rollout?.apply({ bytes, file: "/p1.yaml" }, {}).applied, false);
});

Deno.test("rollback() takes a kept policy by a key that has expired, and none that nobody signed or that is revoked", async () => {
  using agents = await Agents.create();
  const rollout = agents.start();
  for (const serial of [1, 2, 3]) rollout.apply(await agents.signed(serial), {});
  agents.allow(EXPIRED);
  const { inForce, warnings } = rollout.rollback();
  deepStrictEqual([inForce.policy.serial, inForce.signer], [2, "alice@example.com"]);
  match(warnings.join(), /the key expired/);
  agents.revoke();
  const refusal = refusalOf(() => rollout.rollback());
  deepStrictEqual([refusal.exit, /is revoked/.test(refusal.message), agents.serial], [5, true, 2]);
  Deno.removeSync(agents.host.places.revokedKeys);
  const first = agents.host.store.kept.find(({ serial }) => serial === 1);
  Deno.removeSync(`${agents.host.places.state}/policies/${first?.sha256}.yaml.sig`);
  match(refusalOf(() => rollout.rollback()).message, /is not signed/);
  deepStrictEqual(rollout.history.entries.slice(-2).map(({ result, exit }) => [result, exit]), [
    ["refused", 5],
    ["refused", 5],
  ]);
});

Deno.test("the history says who signed each policy", async () => {
  using agents = await Agents.create();
  const rollout = agents.start();
  rollout.apply(await agents.signed(1), {});
  refusalOf(() => rollout.apply({ bytes: policyBytes({ serial: 2, paths: ["/x"] }), file: "/p2.yaml" }, {}));
  const entries = rollout.history.entries.map(({ what, result, signer }) => [what, result, signer]);
  deepStrictEqual(entries, [["apply", "done", "alice@example.com"], ["apply", "refused", undefined]]);
});

Deno.test("byHandRefused says why nothing by hand is accepted where signatures are required", () => {
  const installation = new TestInstallation();
  try {
    const { places } = installation;
    match(
      new Provenance(places, { require_signature: true }).byHandRefused ?? "",
      /only signed policy is accepted/,
    );
    strictEqual(new Provenance(places, { require_signature: false }).byHandRefused, undefined);
  } finally {
    installation[Symbol.dispose]();
  }
});

Deno.test("expired and not-yet-valid keys are refused for a new policy", async () => {
  using agents = await Agents.create();
  const rollout = agents.start();
  const source = await agents.signed(1);
  agents.allow(EXPIRED);
  strictEqual(refusalOf(() => rollout.apply(source, {})).exit, 5);
  ok(agents.serial === undefined);
});
