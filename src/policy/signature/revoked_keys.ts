/**
 * Keys whose signatures are no longer accepted, whatever `allowed_signers` says: a file with a public key a line, as
 * `ssh-keygen -Y verify -r` takes it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type Problem, ProblemList } from "../problem.ts";
import { keyAt, readKeyFile } from "./key_line.ts";

/** What `parseRevokedKeys` found. */
export type RevokedKeysResult =
  | {
    readonly ok: true;
    /** The keys' binary forms in base64. */
    readonly keys: ReadonlySet<string>;
  }
  | {
    readonly ok: false;
    /** At least one, in the order of the file. */
    readonly problems: readonly Problem[];
  };

/**
 * Parses the file. Never throws for what is in it.
 *
 * @param file Its name, for problems.
 */
export function parseRevokedKeys(bytes: Uint8Array, file: string): RevokedKeysResult {
  const problems = new ProblemList(file);
  if (KRL.equals(bytes.subarray(0, KRL.length))) {
    const message = "binary key revocation lists (ssh-keygen -k) are not read";
    problems.add({ line: 1, column: 1 }, [], message, "a text file with a public key a line");
    return { ok: false, problems: problems.sorted() };
  }
  const keys = readKeyFile(
    bytes,
    problems,
    ({ text, at }) => Buffer.from(keyAt(text, at).blob).toString("base64"),
  );
  return problems.count > 0 ? { ok: false, problems: problems.sorted() } : { ok: true, keys: new Set(keys) };
}

const KRL = Buffer.from("SSHKRL\n\0");
