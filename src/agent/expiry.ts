/**
 * A policy's `expires`: past it the policy cannot be applied anew; where it is in force it goes on.
 *
 * @module
 */
import type { Policy } from "../policy/model.ts";
import { Refusal } from "./refusal.ts";

/**
 * Refuses a policy whose time is over.
 *
 * @param now Milliseconds since 1970.
 * @throws {Refusal} 5 if the policy's time is over.
 */
export function refuseExpired({ expires }: Policy, file: string, now: number = Date.now()): void {
  if (!isOver(expires, now)) return;
  throw new Refusal(5, `${file} expired at ${expires}; set a later time in expires, and raise the serial`);
}

/** What is doubtful about a policy in force, one line; undefined where its time is not over. */
export function expiryDoubt({ name, expires }: Policy, now: number = Date.now()): string | undefined {
  return isOver(expires, now)
    ? `${name} expired at ${expires}: it stays in force; apply one that has not expired`
    : undefined;
}

function isOver(expires: string | undefined, now: number): boolean {
  return expires !== undefined && now >= Date.parse(expires);
}
