/**
 * How long a policy may wait for confirmation.
 *
 * @module
 */

/** Seconds, both inclusive. */
export const CONFIRM_WITHIN = { min: 1, max: 86_400 } as const;
