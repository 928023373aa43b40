/**
 * Routes of the emergency stop; see `emergency_api.ts` for what they speak.
 *
 * @module
 */
import { type EmergencyDisable, MAX_EMERGENCY_S, reasonProblem } from "./emergency_api.ts";
import { Refusal } from "./refusal.ts";
import { readJson, type Routes } from "./route.ts";

/** Its routes. */
export const EMERGENCY_ROUTES: Routes = {
  "GET /v1/emergency": (agent) => Response.json(agent.emergency.view()),
  "POST /v1/emergency/disable": async (agent, request) =>
    Response.json(agent.emergency.disable(disable(await readJson(request)))),
  "POST /v1/emergency/enable": async (agent, request) =>
    Response.json(agent.emergency.enable(loginUid(await readJson(request)))),
};

function disable(value: unknown): EmergencyDisable {
  const { reason, for_s } = (value ?? {}) as Record<string, unknown>;
  if (typeof reason !== "string" || !isSeconds(for_s)) {
    throw new Refusal(2, `Expected {reason: text, for_s: 1 to ${MAX_EMERGENCY_S}, login_uid?: number}`);
  }
  const problem = reasonProblem(reason);
  if (problem !== undefined) throw new Refusal(2, `Expected a reason, but ${problem}`);
  const uid = loginUid(value);
  return { reason, for_s, ...(uid === undefined ? {} : { login_uid: uid }) };
}

function loginUid(value: unknown): number | undefined {
  const { login_uid } = (value ?? {}) as Record<string, unknown>;
  if (login_uid === undefined) return undefined;
  if (!Number.isInteger(login_uid) || (login_uid as number) < 0) {
    throw new Refusal(2, "Expected login_uid to be a user's number");
  }
  return login_uid as number;
}

function isSeconds(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_EMERGENCY_S;
}
