/**
 * What a schema says about a place in a document, for messages: the keys that are known there, and what a value should
 * look like.
 *
 * @module
 */

import * as z from "zod";

/** What values should look like, in words, by their schema. */
export const EXPECTATIONS = z.registry<{ readonly expected: string }>();

/** A schema that can be asked about places such as `["rules", 0]`. */
export interface SchemaGuide {
  /** The keys that the format knows at a place; empty where it has no fixed keys. */
  acceptedKeys(path: readonly PropertyKey[]): readonly string[];
  /** What a value at a place should look like, in words, where the schema says so. */
  expectedAt(path: readonly PropertyKey[]): string | undefined;
}

/** The guide to a schema of plain objects, arrays and records. */
export function guideTo(root: z.ZodType): SchemaGuide {
  return {
    acceptedKeys: (path) => {
      const schema = schemaAt(root, path);
      return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    },
    expectedAt: (path) => {
      const schema = schemaAt(root, path);
      return schema && EXPECTATIONS.get(schema)?.expected;
    },
  };
}

function schemaAt(root: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  let schema: unknown = root;
  for (const key of path) schema = childOf(unwrapped(schema), key);
  const found = unwrapped(schema);
  return found instanceof z.ZodType ? found : undefined;
}

function unwrapped(schema: unknown): unknown {
  while (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) schema = schema.unwrap();
  return schema;
}

function childOf(schema: unknown, key: PropertyKey): unknown {
  if (schema instanceof z.ZodObject) return typeof key === "string" ? schema.shape[key] : undefined;
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return undefined;
}
