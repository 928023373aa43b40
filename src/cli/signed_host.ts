/**
 * What the tests of provenance share: the command line before a real agent that accepts nothing but signed policy, with
 * keys and signatures by the real ssh-keygen.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Agent } from "../agent/agent.ts";
import type { Config } from "../agent/config.ts";
import { serveControl } from "../agent/control_server.ts";
import { EventOutlets } from "../agent/event_outlets.ts";
import type { Locations } from "../agent/locations.ts";
import { Provenance } from "../agent/provenance.ts";
import { TestInstallation } from "../agent/test_support.ts";
import { KeyFolder } from "../policy/signature/testing.ts";
import { WireReader, wireString } from "../policy/signature/wire.ts";
import { TestHost } from "./test_support.ts";

/** A host with an agent, alice who may sign (Ed25519), bob who may (ECDSA), and mallory whom nobody knows. */
export class SignedHost extends TestHost implements AsyncDisposable {
  readonly installation = new TestInstallation();
  override readonly places: Locations = this.installation.places;
  readonly keys = new KeyFolder();
  readonly config: { require_signature: boolean; signers?: string[] } & Config = { require_signature: true };
  readonly agent: Agent;
  readonly #abort = new AbortController();
  readonly #server: { readonly finished: Promise<void> };
  readonly #running: Promise<void>;

  private constructor() {
    super();
    Deno.mkdirSync(this.places.config.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(this.places.config, "require_signature: true\n", { mode: 0o600 });
    const { up, pins, store } = this.installation;
    this.agent = new Agent({
      up,
      pins,
      store,
      locations: this.places,
      version: "1.2.3",
      outlets: new EventOutlets([]),
      provenance: new Provenance(this.places, this.config),
      log: () => {},
    });
    this.#running = this.agent.run();
    this.#server = serveControl(this.agent, this.places.socket, this.#abort.signal);
  }

  /** A host on which a policy with serial 10, signed by alice, is in force. */
  static async create(): Promise<SignedHost> {
    const host = new SignedHost();
    try {
      await host.keys.key("alice");
      await host.keys.key("bob", "ecdsa");
      await host.keys.key("mallory");
      await host.reset();
      await host.put(policyText({ serial: 10 }));
      if (await host.apply() !== 0) throw new Error(host.err);
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The policy file. */
  get policy(): string {
    return `${this.keys.path}/web.yaml`;
  }

  /** Its signature. */
  get signature(): string {
    return `${this.policy}.sig`;
  }

  /** Alice and bob may sign, no key is revoked, and a policy with serial 20 is there, signed by alice. */
  async reset(): Promise<void> {
    this.config.require_signature = true;
    delete this.config.signers;
    for (const path of [this.policy, this.signature, this.places.allowedSigners, this.places.revokedKeys]) {
      await Deno.remove(path, { recursive: true }).catch(() => {});
    }
    this.allow(["alice", "bob"].map((name) => `${name}@example.com ${this.keys.publicKey(name)}`).join("\n"));
    await this.put(policyText());
  }

  /** Writes a policy, and a signature of it. */
  async put(text: string | Uint8Array, by: string | null = "alice", namespace?: string): Promise<void> {
    const bytes = Buffer.from(text);
    this.keys.file("web.yaml", bytes);
    if (by !== null) this.sign(await this.keys.sign(by, bytes, namespace === undefined ? {} : { namespace }));
  }

  /** Writes the signature. */
  sign(signature: string | Uint8Array): void {
    this.keys.file("web.yaml.sig", signature);
  }

  /** Changes the signature's text. */
  changeSignature(change: (text: string) => string): void {
    this.sign(change(Deno.readTextFileSync(this.signature)));
  }

  /** Changes parts of the signature. */
  forge(parts: Partial<SignatureParts>): void {
    this.changeSignature((text) => armoured({ ...partsOf(text), ...parts }));
  }

  /** Writes `allowed_signers`. */
  allow(text: string): void {
    Deno.writeTextFileSync(this.places.allowedSigners, `${text}\n`, { mode: 0o600 });
  }

  /** Writes `revoked_keys`. */
  revoke(content: string | Uint8Array): void {
    Deno.writeFileSync(this.places.revokedKeys, Buffer.from(content), { mode: 0o600 });
  }

  /** `policy apply`; gives its exit code. */
  apply(...options: string[]): Promise<number> {
    return this.run(["policy apply", ...options, this.policy].join(" "));
  }

  /** What is in force: it must not change when a policy is refused. */
  get inForce(): string {
    const { control } = this.installation.state;
    const { sha256, generation, signer } = this.agent.engine.current ?? {};
    return [sha256, generation, signer, control.live, control.setInfo(control.liveIndex()).sha256].join(" ");
  }

  override [Symbol.dispose](): void {
    throw new Error("Expected to be disposed of by `await using`");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#server.finished;
    this.agent.stop();
    await this.#running;
    this.installation[Symbol.dispose]();
    this.keys[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/** A policy that must be refused. */
export interface RefusedCase {
  readonly name: string;
  /** Starts from a policy that would be accepted: serial 20, signed by alice. */
  readonly prepare: (host: SignedHost) => void | Promise<void>;
  readonly says: RegExp;
  /** Default: 5. */
  readonly exit?: number;
  readonly options?: readonly string[];
}

/** The line of a key's public half. */
export function publicKeyOf(host: SignedHost, name: string): string {
  return host.keys.publicKey(name);
}

/** A policy that watches a file. */
export function policyText(
  { serial = 20, more = "", name = "web" }: { serial?: number | string; more?: string; name?: string } = {},
): string {
  const rules = "rules:\n  - id: watched\n    paths: [/var/tmp/aegisbpf-watched]\n    deny: [read]\n";
  return `version: 1\nname: ${name}\nserial: ${serial}\nmode: audit\n${more}${rules}`;
}

/** What is in a signature, in its order. */
export interface SignatureParts {
  readonly magic: string;
  readonly version: number;
  readonly key: Uint8Array;
  readonly namespace: string;
  readonly reserved: string;
  readonly hash: string;
  readonly signature: Uint8Array;
  /** What follows. */
  readonly rest: string;
}

/** The parts of an armoured signature. */
export function partsOf(text: string): SignatureParts {
  const base64 = text.split("\n").slice(1, -2).join("");
  const reader = new WireReader(Buffer.from(base64, "base64"));
  const magic = Buffer.from(reader.bytes(6)).toString();
  const version = reader.uint32();
  const key = reader.string();
  const namespace = reader.name();
  const reserved = reader.name();
  const hash = reader.name();
  return { magic, version, key, namespace, reserved, hash, signature: reader.string(), rest: "" };
}

/** A signature of a key in OpenSSH's form. */
export function keySignature(algorithm: string, raw: Uint8Array, rest = ""): Uint8Array {
  return Buffer.concat([wireString(algorithm), wireString(raw), Buffer.from(rest)]);
}

function armoured(parts: SignatureParts): string {
  const { magic, version, key, namespace, reserved, hash, signature, rest } = parts;
  const strings = [key, namespace, reserved, hash, signature].map(wireString);
  const blob = Buffer.concat([
    Buffer.from(magic),
    Uint8Array.of(0, 0, 0, version),
    ...strings,
    Buffer.from(rest),
  ]);
  const lines = blob.toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN SSH SIGNATURE-----", ...lines, "-----END SSH SIGNATURE-----", ""].join("\n");
}
