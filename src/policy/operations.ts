/**
 * The operations a rule can deny, in the one order that everything shares.
 *
 * @module
 */

/**
 * Every operation, by name. An operation's index is its bit in the kernel's operation mask, so the order is part of
 * the wire format and must be that of the BPF header: append, never reorder.
 */
export const OPERATIONS = ["read", "write", "exec", "delete", "rename", "link", "attr", "truncate"] as const;

/** One thing a process can do to a file. */
export type Operation = typeof OPERATIONS[number];

/** What a rule denies when it has no `deny` of its own. */
export const DEFAULT_OPERATIONS: readonly Operation[] = ["read", "write", "exec"];
