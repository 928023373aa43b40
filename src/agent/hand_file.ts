/**
 * Rules and exemptions by hand as a file, `<state>/hand.json`, and a copy of it beside it: one that is damaged is set
 * aside and the copy goes on.
 *
 * @module
 */
import * as z from "zod";
import { OPERATIONS } from "../policy/operations.ts";
import { ID_PATTERN } from "../policy/schema.ts";
import { PolicyFileError, readPolicyFile } from "../policy/read.ts";
import {
  type InodeValue,
  parseCgroup,
  type Parsed,
  parseInodeTarget,
  parsePathTarget,
  type PathValue,
} from "../policy/syntax.ts";
import { writeDurably } from "./durable_file.ts";
import { asideText } from "./set_aside.ts";

/** Ids of rules by hand begin with this, which no policy's may. */
export const HAND_PREFIX = "hand:";

/** Whether the id of a rule says that it was made by hand. */
export function isHandId(id: string): boolean {
  return id.startsWith(HAND_PREFIX);
}

/** Rules, and exemptions, at most. */
export const MAX_BY_HAND = 1000;

const time = z.iso.datetime();
const times = {
  added: time,
  expires: time.optional(),
  boot: z.strictObject({ id: z.string(), until_s: z.number().min(0) }).optional(),
};

const denied = z.strictObject({
  id: z.string().refine((id) =>
    isHandId(id) && id.length <= 63 && ID_PATTERN.test(id.slice(HAND_PREFIX.length))
  ),
  target: z.string().refine((text) => targetOf(text).ok),
  ops: z.array(z.enum(OPERATIONS)).min(1),
  ...times,
});

const exempt = z.strictObject({ cgroup: z.string().refine((text) => parseCgroup(text).ok), ...times });

const content = z.strictObject({
  version: z.literal(1),
  /** The number of the next rule that gets no name. */
  next: z.int().min(1),
  deny: z.array(denied).max(MAX_BY_HAND).refine((rules) =>
    new Set(rules.map(({ id }) => id)).size === rules.length
  ),
  allow: z.array(exempt).max(MAX_BY_HAND),
});

/** What is kept. */
export type HandContent = z.output<typeof content>;
/** A rule by hand; `target` as in a policy, times in RFC 3339. */
export type HandRule = HandContent["deny"][number];
/** A cgroup that is exempt by hand. */
export type HandExemption = HandContent["allow"][number];

/** Nothing by hand. */
export const NOTHING_BY_HAND: HandContent = { version: 1, next: 1, deny: [], allow: [] };

/** A target by hand: a path, `DIR/**`, or `MAJOR:MINOR:INO[:GENERATION]`. */
export function targetOf(text: string): Parsed<PathValue | InodeValue> {
  return text.startsWith("/") ? parsePathTarget(text) : parseInodeTarget(text);
}

/** What was read, and what there is to say about it. */
export interface HandFound {
  readonly content: HandContent;
  /** One line each, for the log and for health. */
  readonly notes: readonly string[];
}

/** The file of one host. */
export class HandFile {
  readonly #path: string;
  readonly #copy: string;

  /** @param state `/var/lib/aegisbpf`, which exists. */
  constructor(state: string) {
    this.#path = `${state}/hand.json`;
    this.#copy = `${state}/hand.last.json`;
  }

  /** Reads the file; where it is damaged it is set aside, and where it is damaged or gone its copy is taken. */
  read(): HandFound {
    const main = readContent(this.#path);
    if (main.kind === "read") return { content: main.content, notes: [] };
    const copy = readContent(this.#copy);
    if (main.kind === "missing" && copy.kind === "missing") return { content: NOTHING_BY_HAND, notes: [] };
    const notes = main.kind === "missing" ? [`${this.#path} is gone`] : [main.reason, asideText(this.#path)];
    if (copy.kind === "read") {
      this.write(copy.content);
      return { content: copy.content, notes: [...notes, `its copy ${this.#copy} is used instead`] };
    }
    const reason = copy.kind === "missing" ? `there is no copy ${this.#copy}` : copy.reason;
    return {
      content: NOTHING_BY_HAND,
      notes: [...notes, reason, "the rules by hand are lost: add them again"],
    };
  }

  /**
   * Keeps this.
   *
   * @throws {Error} of the file system; what was kept stays then.
   */
  write(value: HandContent): void {
    const text = `${JSON.stringify(value, undefined, 2)}\n`;
    writeDurably(this.#path, text);
    writeDurably(this.#copy, text);
  }
}

type Read =
  | { readonly kind: "read"; readonly content: HandContent }
  | { readonly kind: "missing" }
  | { readonly kind: "damaged"; readonly reason: string };

function readContent(path: string): Read {
  try {
    const parsed = content.safeParse(JSON.parse(new TextDecoder().decode(readPolicyFile(path).bytes)));
    if (parsed.success) return { kind: "read", content: parsed.data };
    const place = parsed.error.issues[0]?.path.join(".") ?? "";
    return { kind: "damaged", reason: `${path} is damaged${place === "" ? "" : ` at ${place}`}` };
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: "damaged", reason: `${path} is damaged: not JSON` };
    if (!(error instanceof PolicyFileError)) throw error;
    return error.code === "missing" ? { kind: "missing" } : { kind: "damaged", reason: error.message };
  }
}
