/**
 * The agent's configuration, `/etc/aegisbpf/config.yaml`: all of it is right, or every problem is told with its place.
 * Without the file every default holds.
 *
 * @module
 */
import * as z from "zod";
import { decodeText, parseDocument } from "../policy/document.ts";
import { reportIssues } from "../policy/issues.ts";
import { ProblemList } from "../policy/problem.ts";
import { checkKeys } from "../policy/semantics.ts";
import { PolicyFileError, readPolicyFile } from "../policy/read.ts";
import { EXPECTATIONS, guideTo } from "../policy/schema_guide.ts";
import { Refusal } from "./refusal.ts";

const configSchema = z.strictObject({
  require_signature: z.boolean().default(false),
  signers: z.array(
    z.string().regex(/^[^\s,*?!"]+$/).register(EXPECTATIONS, {
      expected: "a principal such as alice@example.com, without patterns",
    }),
  ).min(1).optional(),
});

/** What the file says, with defaults filled in. */
export interface Config {
  /** Whether every policy must be signed by an allowed signer, whatever way it takes. Default: false. */
  readonly require_signature: boolean;
  /** Principals whose signatures count. Default: all in `allowed_signers`. */
  readonly signers?: readonly string[] | undefined;
}

/** A larger file is refused: thousands of signers fit in, and what reading it takes stays small. */
export const MAX_CONFIG_BYTES = 64 << 10;

/** The configuration of an installation that has none. */
export const DEFAULT_CONFIG: Config = configSchema.parse({});

/**
 * Reads the configuration. As with a policy, nobody but root may be able to write it.
 *
 * @param path Of the file; there need be none.
 * @throws {Refusal} 2 if it cannot be read, must not be trusted, or is not valid.
 */
export function readConfig(path: string): Config {
  try {
    return parseConfig(readPolicyFile(path, { maxBytes: MAX_CONFIG_BYTES }).bytes, path);
  } catch (error) {
    if (!(error instanceof PolicyFileError)) throw error;
    if (error.code === "missing") return DEFAULT_CONFIG;
    throw new Refusal(2, error.message);
  }
}

/**
 * Parses the configuration.
 *
 * @param file Its name, for problems.
 * @throws {Refusal} 2, with every problem.
 */
export function parseConfig(bytes: Uint8Array, file: string): Config {
  const problems = new ProblemList(file);
  const text = decodeText(bytes, problems);
  // A file of nothing but comments says nothing: every default holds.
  if (text !== undefined && /^(?:[ \t]*(?:#.*)?\r?(?:\n|$))*$/.test(text)) return DEFAULT_CONFIG;
  const document = text === undefined ? undefined : parseDocument(text, problems, "configuration");
  if (document) checkKeys(document, problems);
  const value = document?.toValue();
  const result = configSchema.safeParse(value);
  if (document && !result.success) {
    reportIssues(result.error.issues, value, document, problems, guideTo(configSchema));
  }
  if (result.success && problems.count === 0) return result.data;
  const count = problems.count === 1 ? "1 problem" : `${problems.count} problems`;
  throw new Refusal(2, `${file} is not a valid configuration: ${count}`, problems.sorted());
}
