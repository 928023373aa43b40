import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { OPERATIONS } from "./operations.ts";
import { POLICY_GUIDE, policyJsonSchema } from "./schema.ts";

Deno.test("POLICY_GUIDE knows the keys of every place", () => {
  deepStrictEqual(POLICY_GUIDE.acceptedKeys([]), [
    "version",
    "name",
    "serial",
    "expires",
    "mode",
    "scopes",
    "allow",
    "rules",
  ]);
  deepStrictEqual(POLICY_GUIDE.acceptedKeys(["rules", 7]), [
    "id",
    "paths",
    "inodes",
    "deny",
    "in",
    "except",
    "mode",
    "signal",
  ]);
  deepStrictEqual(POLICY_GUIDE.acceptedKeys(["rules", 7, "except"]), ["cgroups", "exe", "uids"]);
  deepStrictEqual(POLICY_GUIDE.acceptedKeys(["scopes"]), []);
  deepStrictEqual(POLICY_GUIDE.acceptedKeys(["nothing", "here"]), []);
});

Deno.test("POLICY_GUIDE describes texts with a syntax of their own", () => {
  ok(POLICY_GUIDE.expectedAt(["rules", 0, "paths", 3])?.includes("absolute path"));
  ok(POLICY_GUIDE.expectedAt(["scopes", "web", 0])?.includes("cgroup2"));
  strictEqual(POLICY_GUIDE.expectedAt(["rules", 0, "signal"]), undefined);
});

Deno.test("policyJsonSchema() describes what a person writes, and refuses unknown keys as the parser does", () => {
  const schema = JSON.parse(JSON.stringify(policyJsonSchema()));
  strictEqual(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  deepStrictEqual(schema.required, ["version", "name", "serial", "rules"]);
  strictEqual(schema.additionalProperties, false);
  const rule = schema.properties.rules.items;
  strictEqual(rule.additionalProperties, false);
  strictEqual(rule.properties.paths.items.type, "string");
  deepStrictEqual(rule.properties.deny.items.enum, [...OPERATIONS]);
  ok(!JSON.stringify(schema).includes('"expected"'));
});
