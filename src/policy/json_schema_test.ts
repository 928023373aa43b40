// The published schema under a validator of its own: what it says must be what the parser does.
import { ok, strictEqual } from "node:assert/strict";
import { Ajv2020, type AnySchemaObject, type ValidateFunction } from "ajv/dist/2020.js";
import { policyFields } from "./export.ts";
import { parsePolicy } from "./parse.ts";
import { randomPolicy } from "./random_policy.ts";
import { policyJsonSchema } from "./schema.ts";
import { Random } from "./testing.ts";

const SCHEMA: AnySchemaObject = JSON.parse(JSON.stringify(policyJsonSchema()));
const HEAD = { version: 1, name: "a", serial: 1 };

function compile(schema: AnySchemaObject): ValidateFunction {
  // In strict mode, which refuses keywords that the standard does not have.
  return new Ajv2020({ strict: true, strictRequired: false, allErrors: true, formats: { "date-time": true } })
    .compile(schema);
}

Deno.test("policyJsonSchema() is a schema of draft 2020-12 that a strict validator takes", () => {
  const ajv = new Ajv2020({ strict: true, strictRequired: false, formats: { "date-time": true } });
  ok(ajv.validateSchema(SCHEMA), JSON.stringify(ajv.errors));
  compile(SCHEMA);
  strictEqual(SCHEMA.$id, "urn:aegisbpf:policy:1");
});

Deno.test("policyJsonSchema() accepts what the parser accepts", () => {
  const validate = compile(SCHEMA);
  for (let seed = 1; seed <= 300; seed++) {
    const fields = JSON.parse(JSON.stringify(policyFields(randomPolicy(new Random(seed)))));
    ok(validate(fields), `seed ${seed}: ${JSON.stringify(validate.errors)}`);
  }
});

const RULE = { id: "a", paths: ["/a"] };
const WRONG: readonly object[] = [
  {},
  { ...HEAD, rules: {} },
  { ...HEAD, version: 2, rules: [] },
  { ...HEAD, serial: 0, rules: [] },
  { ...HEAD, serial: 1.5, rules: [] },
  { ...HEAD, name: "a b", rules: [] },
  { ...HEAD, mode: "deny", rules: [] },
  { ...HEAD, rules: [], more: 1 },
  { ...HEAD, scopes: { A: ["/a"] }, rules: [] },
  { ...HEAD, scopes: { a: [] }, rules: [] },
  { ...HEAD, allow: { exe: [] }, rules: [] },
  { ...HEAD, rules: [{ id: "a" }] },
  { ...HEAD, rules: [{ id: "a", paths: [] }] },
  { ...HEAD, rules: [{ ...RULE, id: "A" }] },
  { ...HEAD, rules: [{ ...RULE, paths: ["relative"] }] },
  { ...HEAD, rules: [{ ...RULE, inodes: ["8:1"] }] },
  { ...HEAD, rules: [{ ...RULE, deny: [] }] },
  { ...HEAD, rules: [{ ...RULE, deny: ["open"] }] },
  { ...HEAD, rules: [{ ...RULE, in: [] }] },
  { ...HEAD, rules: [{ ...RULE, except: { uids: [-1] } }] },
  { ...HEAD, rules: [{ ...RULE, except: { users: [] } }] },
  { ...HEAD, rules: [{ ...RULE, signal: "hup" }] },
  { ...HEAD, rules: [{ ...RULE, mode: null }] },
];

for (const value of WRONG) {
  Deno.test(`policyJsonSchema() refuses, as the parser does, ${JSON.stringify(value)}`, () => {
    strictEqual(compile(SCHEMA)(value), false);
    strictEqual(parsePolicy(JSON.stringify(value), "p.json").ok, false);
  });
}

Deno.test("policyJsonSchema() describes every key, and its examples fit", () => {
  let [keys, examples] = [0, 0];
  const visit = (schema: AnySchemaObject, path: string) => {
    for (const example of schema.examples ?? []) {
      examples++;
      const { $id: _, ...body } = schema;
      ok(compile(body)(example), `${path}: ${JSON.stringify(example)}`);
    }
    for (const [key, child] of Object.entries<AnySchemaObject>(schema.properties ?? {})) {
      keys++;
      ok(typeof child.description === "string" && child.description !== "", `${path}.${key}`);
      visit(child, `${path}.${key}`);
    }
    for (const below of ["items", "additionalProperties"]) {
      if (typeof schema[below] === "object") visit(schema[below], `${path}.${below}`);
    }
  };
  visit(SCHEMA, "");
  ok(keys === 20 && examples >= 12, `${keys} keys, ${examples} examples`);
  ok(parsePolicy(JSON.stringify(SCHEMA.examples[0]), "p.json").ok);
});
