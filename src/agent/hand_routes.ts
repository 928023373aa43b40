/**
 * Routes of rules and exemptions by hand; see `hand_api.ts` for what they speak.
 *
 * @module
 */
import type { AllowAdd, DenyAdd } from "./hand_api.ts";
import { Refusal } from "./refusal.ts";
import { readJson, type Routes } from "./route.ts";

/** Their routes. */
export const HAND_ROUTES: Routes = {
  "GET /v1/deny": (agent) => Response.json(agent.hand.rules()),
  "POST /v1/deny/add": async (agent, request) =>
    Response.json(agent.hand.deny(denyAdd(await readJson(request)))),
  "POST /v1/deny/remove": async (agent, request) =>
    Response.json(agent.hand.undeny(textOf(await readJson(request), "rule"))),
  "GET /v1/allow": (agent) => Response.json(agent.hand.exemptions()),
  "POST /v1/allow/add": async (agent, request) =>
    Response.json(agent.hand.allow(allowAdd(await readJson(request)))),
  "POST /v1/allow/remove": async (agent, request) =>
    Response.json(agent.hand.disallow(textOf(await readJson(request), "cgroup"))),
};

/** The longest time that something by hand may last by itself, seconds. */
const MAX_TTL_S = 366 * 86_400;

function denyAdd(value: unknown): DenyAdd {
  const { target, ops, ttl_s, id, force } = fields(value, ["target", "ops", "ttl_s", "id", "force"]);
  if (
    typeof target !== "string" || !isOptional(ops, isTexts) || !isOptional(id, isText) ||
    !isOptional(force, isBoolean) || !isOptional(ttl_s, isTtl)
  ) {
    throw new Refusal(
      2,
      `Expected {target: text, ops?: [text], ttl_s?: 1 to ${MAX_TTL_S}, id?: text, force?: boolean}`,
    );
  }
  return {
    target,
    ...(ops === undefined ? {} : { ops }),
    ...(ttl_s === undefined ? {} : { ttl_s }),
    ...(id === undefined ? {} : { id }),
    ...(force === undefined ? {} : { force }),
  };
}

function allowAdd(value: unknown): AllowAdd {
  const { cgroup, ttl_s } = fields(value, ["cgroup", "ttl_s"]);
  if (typeof cgroup !== "string" || !isOptional(ttl_s, isTtl)) {
    throw new Refusal(2, `Expected {cgroup: text, ttl_s?: 1 to ${MAX_TTL_S}}`);
  }
  return { cgroup, ...(ttl_s === undefined ? {} : { ttl_s }) };
}

function textOf(value: unknown, key: string): string {
  const text = fields(value, [key])[key];
  if (typeof text !== "string") throw new Refusal(2, `Expected {${key}: text}`);
  return text;
}

function fields(value: unknown, keys: readonly string[]): Record<string, unknown> {
  const record = typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  const unknown = Object.keys(record).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw new Refusal(2, `Expected ${keys.join(", ")}, got ${unknown.slice(0, 64)}`);
  return record;
}

function isOptional<T>(value: unknown, is: (value: unknown) => value is T): value is T | undefined {
  return value === undefined || is(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}

function isTtl(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_TTL_S;
}
