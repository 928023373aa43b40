/**
 * What is kept about emergency stops, `<state>/emergency.json`: who stopped decisions, why, until when, and how that
 * ended. What is in force is the kernel's word; this says why.
 *
 * @module
 */
import * as z from "zod";
import { PolicyFileError, readPolicyFile } from "../policy/read.ts";
import { writeDurably } from "./durable_file.ts";
import { asideText } from "./set_aside.ts";

const entry = z.strictObject({
  at: z.iso.datetime(),
  action: z.enum(["disable", "enable", "expired"]),
  reason: z.string().optional(),
  until: z.iso.datetime().optional(),
  login_uid: z.int().min(0).optional(),
  via: z.enum(["agent", "pins"]),
});

const content = z.strictObject({ version: z.literal(1), entries: z.array(entry) });

/**
 * One thing that happened: `disable` and `enable` by command, `expired` by itself. `via`: `pins` where no agent was
 * there, `login_uid` who logged in to do it, where audit keeps that.
 */
export type EmergencyEntry = Readonly<z.output<typeof entry>>;

/** The record of one host. */
export class EmergencyRecord {
  readonly #path: string;

  /** @param state `/var/lib/aegisbpf` */
  constructor(state: string) {
    this.#path = `${state}/emergency.json`;
  }

  /** What is kept, oldest first; a damaged file is set aside, and `notes` says so. */
  read(): { readonly entries: readonly EmergencyEntry[]; readonly notes: readonly string[] } {
    try {
      const text = new TextDecoder().decode(readPolicyFile(this.#path).bytes);
      const parsed = content.safeParse(JSON.parse(text));
      if (parsed.success) return { entries: parsed.data.entries, notes: [] };
    } catch (error) {
      if (error instanceof PolicyFileError && error.code === "missing") return { entries: [], notes: [] };
      if (!(error instanceof SyntaxError || error instanceof PolicyFileError)) throw error;
    }
    return { entries: [], notes: [`${this.#path} is damaged`, asideText(this.#path)] };
  }

  /**
   * Adds an entry; the oldest of many go.
   *
   * @returns Undefined, or why it could not be written, in one line: an emergency does not wait for a disk.
   */
  add(added: EmergencyEntry): string | undefined {
    try {
      const entries = [...this.read().entries, added].slice(-MAX_ENTRIES);
      Deno.mkdirSync(this.#path.slice(0, this.#path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
      writeDurably(this.#path, `${JSON.stringify({ version: 1, entries }, undefined, 2)}\n`);
      return undefined;
    } catch (error) {
      return `not recorded in ${this.#path}: ${error instanceof Error ? error.message : error}`;
    }
  }
}

/** Why decisions were stopped last, as far as that is recorded; where they are stopped, that is why. */
export function lastReason(state: string): string | undefined {
  const last = new EmergencyRecord(state).read().entries.at(-1);
  return last?.action === "disable" ? last.reason : undefined;
}

const MAX_ENTRIES = 200;
