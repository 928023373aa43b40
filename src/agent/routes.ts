/**
 * All routes of the control socket; see `api.ts` for what they speak. A feature with routes of its own has them in
 * `NAME_routes.ts`, spread into the table here.
 *
 * @module
 */
import { type ApplyRequest, STATS_KEYS, type StatsReport } from "./api.ts";
import { EMERGENCY_ROUTES } from "./emergency_routes.ts";
import type { ExplainQuestion } from "./explain.ts";
import { HAND_ROUTES } from "./hand_routes.ts";
import { PROVE_ROUTES } from "./prove_routes.ts";
import { Refusal } from "./refusal.ts";
import { confirmation, ROLLOUT_ROUTES } from "./rollout_routes.ts";
import { readJson, type Routes } from "./route.ts";
import type { SignedFile } from "./signed_file.ts";

/** Every route. */
export const ROUTES: Routes = {
  ...ROLLOUT_ROUTES,
  "GET /v1/health": (agent) => Response.json(agent.health()),
  "GET /v1/policy": (agent) => Response.json(agent.policy()),
  "GET /v1/policy/source": (agent) =>
    new Response(agent.policySource() as Uint8Array<ArrayBuffer>, {
      headers: { "content-type": "application/yaml" },
    }),
  "GET /v1/stats": (agent, _request, url) => Response.json(agent.stats(statsKey(url.searchParams.get("by")))),
  "GET /v1/explain": (agent, _request, url) => Response.json(agent.explain(question(url.searchParams))),
  "POST /v1/policy/apply": async (agent, request) =>
    Response.json(agent.apply(applyRequest(await readJson(request)))),
  ...PROVE_ROUTES,
  ...EMERGENCY_ROUTES,
  ...HAND_ROUTES,
};

function applyRequest(value: unknown): Omit<ApplyRequest, "signature"> & SignedFile {
  const { source, file, signature, dry_run = false, force = false, ...rest } = (value ?? {}) as Record<
    string,
    unknown
  >;
  if (
    typeof source !== "string" || typeof file !== "string" || typeof dry_run !== "boolean" ||
    typeof force !== "boolean" || !["string", "undefined"].includes(typeof signature)
  ) {
    const expected = "{source: base64, file: text, signature?: base64, dry_run?: boolean, force?: boolean}";
    throw new Refusal(2, `Expected ${expected}`);
  }
  const signed = typeof signature === "string" ? { signature: bytesOf("signature", signature) } : {};
  return { source, file, dry_run, force, ...confirmation(rest), bytes: bytesOf("source", source), ...signed };
}

function bytesOf(name: string, base64: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(base64);
  } catch {
    throw new Refusal(2, `Expected ${name} to be base64`);
  }
}

function statsKey(by: string | null): StatsReport["by"] {
  if (by === null) return undefined;
  const key = STATS_KEYS.find((name) => name === by);
  if (key === undefined) throw new Refusal(2, `Expected by to be one of ${STATS_KEYS.join(", ")}, got ${by}`);
  return key;
}

function question(parameters: URLSearchParams): ExplainQuestion {
  const unknown = [...parameters.keys()].find((key) => !QUESTION_KEYS.includes(key));
  if (unknown !== undefined) throw new Refusal(2, `Expected ${QUESTION_KEYS.join(", ")}, got ${unknown}`);
  const { path, ...rest } = Object.fromEntries(parameters);
  if (path === undefined) throw new Refusal(2, "Expected path");
  return { path, ...rest };
}

const QUESTION_KEYS: readonly string[] = ["path", "op", "cgroup", "uid", "exe"];
