/**
 * How every command and the agent end; contract section 3.
 *
 * @module
 */

/** Exit codes by name. */
export const ExitCode = {
  /** Yes, or done. */
  Done: 0,
  /** No: unhealthy, denied, not found, differs. */
  No: 1,
  /** Bad usage, or it cannot be told. */
  Usage: 2,
  /** Refused, because it could not be enforced. */
  NotEnforced: 3,
  /** The policy is invalid. */
  InvalidPolicy: 4,
  /** The policy's signature, serial or expiry was refused. */
  PolicyRefused: 5,
  /** A fault of the program. */
  Internal: 70,
} as const;

/** One of the exit codes. */
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** What each exit code means, for the manual. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  [ExitCode.Done]: "yes, or done",
  [ExitCode.No]: "no: unhealthy, denied, not found, differs",
  [ExitCode.Usage]: "bad usage, or it cannot be told",
  [ExitCode.NotEnforced]: "refused, because it could not be enforced",
  [ExitCode.InvalidPolicy]: "the policy is invalid",
  [ExitCode.PolicyRefused]: "the policy's signature, serial or expiry was refused",
  [ExitCode.Internal]: "internal error",
};

/** Whether a number is one of the exit codes. */
export function isExitCode(code: number): code is ExitCode {
  return code in EXIT_MEANINGS;
}
