/**
 * What a policy file that cannot be used means for whoever asked for it.
 *
 * @module
 */
import type { PolicyFileError, PolicyFileErrorCode } from "../policy/read.ts";
import { Refusal } from "./refusal.ts";

/**
 * The refusal: 5 where others could have written the file, or have put it there, so that it is not known whose it is; 4
 * where it is too large for a policy; 2 where there is no file to read.
 */
export function fileRefusal({ code, message }: PolicyFileError): Refusal {
  return new Refusal(UNTRUSTED.has(code) ? 5 : code === "too-large" ? 4 : 2, message);
}

const UNTRUSTED: ReadonlySet<PolicyFileErrorCode> = new Set([
  "symlink",
  "wrong-owner",
  "writable",
  "directory-unsafe",
  "replaced",
]);
