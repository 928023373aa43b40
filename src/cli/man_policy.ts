/**
 * aegisbpf-policy(5): the policy format, made from its schema.
 *
 * @module
 */
import { policyJsonSchema } from "../policy/schema.ts";
import { manualPage, sentence } from "./man_parts.ts";
import type { RoffPage } from "./roff.ts";

/** The page. */
export function policyPage(): string {
  const page = manualPage("aegisbpf-policy", "5");
  page.section("Name").paragraph("aegisbpf-policy - format of aegisbpf's policies");
  page.section("Description").paragraph(DESCRIPTION);
  page.section("Keys");
  addKeys(page, policyJsonSchema() as Schema, "");
  page.section("Example").verbatim(EXAMPLE);
  page.section("See also").paragraph("aegisbpf(1), aegisbpf(8)");
  return page.toString();
}

const DESCRIPTION =
  "A policy is a file in YAML or JSON. Unknown keys are errors, so a misspelt rule is never silently without effect; " +
  "aegisbpf policy validate tells every problem at once. The file and the directories above it must be writable by " +
  "their owner only, who must be root, and it must not be a symbolic link.";

const EXAMPLE = `version: 1
name: web-tier
serial: 7
rules:
  - id: tls-keys
    paths: [/etc/ssl/private/**, /etc/shadow]`;

/** What is used of JSON Schema. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
}

function addKeys(page: RoffPage, { properties = {}, required = [] }: Schema, parent: string): void {
  for (const [key, schema] of Object.entries(properties)) {
    const path = `${parent}${key}`;
    page.term(path, meaningOf(schema, required.includes(key)));
    addKeys(page, schema, `${path}.`);
    if (schema.items?.properties) addKeys(page, schema.items, `${path}[].`);
  }
}

function meaningOf(schema: Schema, isRequired: boolean): string {
  const { description, items } = schema;
  const sentences = [description ?? "", items?.description ?? "", valuesOf(schema)].filter((text) =>
    text !== ""
  );
  if (isRequired && schema.default === undefined) sentences.push("required");
  const byDefault = defaultText(schema.default);
  if (byDefault !== "") sentences.push(`by default ${byDefault}`);
  return sentences.map((text) => `${sentence(text).replace(/\.$/, "")}.`).join(" ");
}

function valuesOf({ enum: values, const: only, type, items, additionalProperties }: Schema): string {
  if (only !== undefined) return `always ${only}`;
  if (values) return `one of ${values.join(", ")}`;
  if (items) return ["a list", items.enum ? `of ${items.enum.join(", ")}` : ""].join(" ").trim();
  if (typeof additionalProperties === "object") return "names, each with a list";
  return type === "integer" ? "a number" : "";
}

function defaultText(value: unknown): string {
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value : "";
}
