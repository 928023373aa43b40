/**
 * The routes of `prove`; see `prove_api.ts` for what they speak.
 *
 * @module
 */
import type { ProveBegin, ProveCallers, ProveRule } from "./prove_api.ts";
import { Refusal } from "./refusal.ts";
import { readJson, type Routes } from "./route.ts";

/** Begins, watches and ends the lease on decoys' rules. */
export const PROVE_ROUTES: Routes = {
  "POST /v1/prove/begin": async (agent, request) =>
    Response.json(agent.prove.begin(beginRequest(await readJson(request)))),
  "POST /v1/prove/look": (agent) => Response.json(agent.prove.look()),
  "POST /v1/prove/end": (agent) => Response.json(agent.prove.end()),
};

function beginRequest(value: unknown): ProveBegin {
  const { callers, rules } = fields(value);
  if (!Array.isArray(rules)) throw new Refusal(2, `${EXPECTED}, got no list of rules`);
  return { callers: callersOf(callers), rules: rules.map(ruleOf) };
}

function callersOf(value: unknown): ProveCallers {
  const { members, excepted } = fields(value);
  const { cgroups, exe, uids } = fields(excepted);
  if (!(isPaths(members) && isPaths(cgroups) && isPaths(exe) && isUids(uids))) {
    throw new Refusal(2, `${EXPECTED}, where callers are {members: paths, excepted: {cgroups, exe, uids}}`);
  }
  return { members, excepted: { cgroups, exe, uids } };
}

function ruleOf(value: unknown): ProveRule {
  const { rule, signals, decoys } = fields(value);
  if (typeof rule !== "string" || typeof signals !== "boolean" || !Array.isArray(decoys)) {
    throw new Refusal(2, `${EXPECTED}, where a rule is {rule: id, signals: boolean, decoys}`);
  }
  for (const decoy of decoys) {
    const { path, kind } = fields(decoy);
    if (!isPath(path) || !KINDS.includes(kind)) {
      throw new Refusal(
        2,
        "Expected each decoy to have an absolute path and the kind file, subtree or inode",
      );
    }
  }
  return { rule, signals, decoys };
}

const EXPECTED = "Expected {callers, rules}";
const KINDS: readonly unknown[] = ["file", "subtree", "inode"];
const MAX_UID = 0xffff_fffe;

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

function isPath(value: unknown): value is string {
  return typeof value === "string" && value.startsWith("/");
}

function isPaths(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isPath);
}

function isUids(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((uid) => Number.isInteger(uid) && uid >= 0 && uid <= MAX_UID);
}
