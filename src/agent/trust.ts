/**
 * Whose signatures count on this host: `allowed_signers` and `revoked_keys`, read as strictly as a policy.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { formatProblem, type Problem } from "../policy/problem.ts";
import { PolicyFileError, readPolicyFile } from "../policy/read.ts";
import { type AllowedSigner, parseAllowedSigners } from "../policy/signature/allowed_signers.ts";
import { parseRevokedKeys } from "../policy/signature/revoked_keys.ts";
import type { Trust } from "../policy/signature/signer.ts";
import type { Locations } from "./locations.ts";
import { Refusal } from "./refusal.ts";

/** Where the two files are. */
export type TrustFiles = Pick<Locations, "allowedSigners" | "revokedKeys">;

/** Reads both each time it is asked, and parses what has changed since. */
export class TrustReader {
  readonly #files: TrustFiles;
  #signers: Parsed<readonly AllowedSigner[]> | undefined;
  #revoked: Parsed<ReadonlySet<string>> | undefined;

  constructor(files: TrustFiles) {
    this.#files = files;
  }

  /**
   * Whose signatures count now. Without `revoked_keys` none is revoked.
   *
   * @param only If given, the only principals whose signatures count.
   * @returns Undefined where there is no `allowed_signers`.
   * @throws {Refusal} 5 if one cannot be read, must not be trusted, or is not valid.
   */
  read(only?: readonly string[]): Trust | undefined {
    const { allowedSigners, revokedKeys } = this.#files;
    const list = readIfThere(allowedSigners);
    if (list === undefined) return undefined;
    if (!isOf(this.#signers, list)) {
      const result = parseAllowedSigners(list, allowedSigners);
      if (!result.ok) throw invalid(allowedSigners, result.problems);
      this.#signers = { bytes: list, value: result.signers };
    }
    const keys = readIfThere(revokedKeys) ?? new Uint8Array();
    if (!isOf(this.#revoked, keys)) {
      const result = parseRevokedKeys(keys, revokedKeys);
      if (!result.ok) throw invalid(revokedKeys, result.problems);
      this.#revoked = { bytes: keys, value: result.keys };
    }
    return { signers: this.#signers.value, file: allowedSigners, revoked: this.#revoked.value, only };
  }
}

/** A file as it was, and what it says. */
interface Parsed<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

function isOf<T>(parsed: Parsed<T> | undefined, bytes: Uint8Array): parsed is Parsed<T> {
  return parsed !== undefined && Buffer.compare(parsed.bytes, bytes) === 0;
}

/** 256 KiB: two thousand keys, which are read in a tenth of a second. */
const MAX_BYTES = 256 << 10;

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return readPolicyFile(path, { maxBytes: MAX_BYTES }).bytes;
  } catch (error) {
    if (!(error instanceof PolicyFileError)) throw error;
    if (error.code === "missing") return undefined;
    throw new Refusal(5, `No signature can be accepted: ${error.message}`);
  }
}

/** The first problem is in the message as well: not everybody who gets it is shown the others. */
function invalid(file: string, problems: readonly Problem[]): Refusal {
  const [first] = problems;
  const said = first === undefined ? file : formatProblem(first);
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  return new Refusal(5, `No signature can be accepted: ${said}${more}`, problems);
}
