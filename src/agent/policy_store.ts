/**
 * The policies that were in force, as files: each by the SHA-256 of its bytes, and which one is current.
 *
 *     <state>/policies/<sha256>.yaml, <state>/current.json
 *
 * @module
 */
import { createHash } from "node:crypto";
import { writeDurably } from "./durable_file.ts";

/** A policy's bytes with the name they came under. */
export interface StoredPolicy {
  readonly bytes: Uint8Array;
  readonly sha256: string;
  /** The file that it was applied from, for messages. */
  readonly file: string;
}

/** The policies of one host. */
export class PolicyStore {
  readonly #folder: string;
  readonly #current: string;

  /** @param state `/var/lib/aegisbpf`; it is made if it is not there. */
  constructor(state: string) {
    this.#folder = `${state}/policies`;
    this.#current = `${state}/current.json`;
    Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Keeps a policy, before it goes into force. */
  keep({ bytes, sha256 }: StoredPolicy): void {
    writeDurably(this.#path(sha256), bytes);
  }

  /** Says that a kept policy is the one in force. */
  markCurrent({ sha256, file }: StoredPolicy): void {
    writeDurably(this.#current, JSON.stringify({ sha256, file }) + "\n");
  }

  /** A kept policy; undefined where there is none, or where its bytes are no longer those. */
  read(sha256: string): StoredPolicy | undefined {
    const bytes = readIfThere(this.#path(sha256));
    if (bytes === undefined || createHash("sha256").update(bytes).digest("hex") !== sha256) return undefined;
    const current = this.#readCurrent();
    return { bytes, sha256, file: current?.sha256 === sha256 ? current.file : this.#path(sha256) };
  }

  /** The policy that was marked last; undefined where there is none or it is damaged. */
  readCurrent(): StoredPolicy | undefined {
    const current = this.#readCurrent();
    return current && this.read(current.sha256);
  }

  #readCurrent(): { sha256: string; file: string } | undefined {
    const bytes = readIfThere(this.#current);
    if (bytes === undefined) return undefined;
    try {
      const { sha256, file } = JSON.parse(new TextDecoder().decode(bytes));
      return typeof file === "string" && /^[0-9a-f]{64}$/.test(sha256) ? { sha256, file } : undefined;
    } catch {
      // A half-written file cannot be: it was renamed whole. A damaged one names nothing.
      return undefined;
    }
  }

  #path(sha256: string): string {
    return `${this.#folder}/${sha256}.yaml`;
  }
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
