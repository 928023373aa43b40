/**
 * The routes of rollouts: confirming, going back.
 *
 * @module
 */
import type { ApplyRequest, RollbackRequest } from "./api.ts";
import { CONFIRM_WITHIN } from "./confirm_within.ts";
import { Refusal } from "./refusal.ts";
import { readJson, type Routes } from "./route.ts";

/** Confirms or takes back what was applied. */
export const ROLLOUT_ROUTES: Routes = {
  "POST /v1/policy/confirm": (agent) => {
    const inForce = agent.rollout.confirm();
    return Response.json(agent.resultOf({ inForce, applied: false, warnings: [] }));
  },
  "POST /v1/policy/rollback": async (agent, request) =>
    Response.json(agent.rollback(rollbackRequest(await readJson(request)))),
};

/**
 * The part of a request to apply that says until when it is to be confirmed.
 *
 * @throws {Refusal} 2 if that is not a time within {@linkcode CONFIRM_WITHIN}.
 */
export function confirmation(request: Record<string, unknown>): Pick<ApplyRequest, "confirm_within_s"> {
  const { confirm_within_s } = request;
  if (confirm_within_s === undefined) return {};
  const { min, max } = CONFIRM_WITHIN;
  if (typeof confirm_within_s !== "number" || !(confirm_within_s >= min && confirm_within_s <= max)) {
    throw new Refusal(2, `Expected confirm_within_s to be a number from ${min} to ${max}`);
  }
  return { confirm_within_s };
}

function rollbackRequest(value: unknown): RollbackRequest {
  const { to } = (value ?? {}) as Record<string, unknown>;
  if (to === undefined) return {};
  if (typeof to !== "number" || !Number.isSafeInteger(to) || to < 1) {
    throw new Refusal(2, "Expected {to?: serial}");
  }
  return { to };
}
