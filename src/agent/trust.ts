/**
 * Whose signatures count on this host: `allowed_signers` and `revoked_keys`, read as strictly as a policy.
 *
 * @module
 */
import { formatProblem, type Problem } from "../policy/problem.ts";
import { PolicyFileError, readPolicyFile } from "../policy/read.ts";
import { parseAllowedSigners } from "../policy/signature/allowed_signers.ts";
import { parseRevokedKeys } from "../policy/signature/revoked_keys.ts";
import type { Trust } from "../policy/signature/signer.ts";
import type { Locations } from "./locations.ts";
import { Refusal } from "./refusal.ts";

/** Where the two files are. */
export type TrustFiles = Pick<Locations, "allowedSigners" | "revokedKeys">;

/**
 * Reads both. Without `revoked_keys` none is revoked.
 *
 * @param only If given, the only principals whose signatures count.
 * @returns Undefined where there is no `allowed_signers`.
 * @throws {Refusal} 5 if one cannot be read, must not be trusted, or is not valid.
 */
export function readTrust(files: TrustFiles, only?: readonly string[]): Trust | undefined {
  const signers = read(files.allowedSigners);
  if (signers === undefined) return undefined;
  const allowed = parseAllowedSigners(signers, files.allowedSigners);
  if (!allowed.ok) throw invalid(files.allowedSigners, allowed.problems);
  const list = read(files.revokedKeys);
  const revoked = parseRevokedKeys(list ?? new Uint8Array(), files.revokedKeys);
  if (!revoked.ok) throw invalid(files.revokedKeys, revoked.problems);
  return { signers: allowed.signers, file: files.allowedSigners, revoked: revoked.keys, only };
}

/** 1 MiB: some thousands of keys. */
const MAX_BYTES = 1 << 20;

function read(path: string): Uint8Array | undefined {
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
