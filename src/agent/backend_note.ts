/**
 * Why this host has the backend it has, kept for agents that adopt it. It lies in `/run`, which lasts as long as the pins.
 *
 * @module
 */
import { type Backend, BACKENDS } from "../kernel/backend.ts";
import type { Rejection } from "../kernel/bring_up.ts";
import { writeDurably } from "./durable_file.ts";
import type { Locations } from "./locations.ts";

/** The backend in use, and those that were tried before it. */
export interface BackendNote {
  readonly backend: Backend;
  readonly rejected: readonly Rejection[];
}

/** Writes the note. */
export function writeBackendNote(places: Pick<Locations, "run">, note: BackendNote): void {
  writeDurably(pathOf(places), JSON.stringify(note) + "\n");
}

/** Why better backends than this one were not taken; empty where there is no note of it. */
export function readBackendNote(places: Pick<Locations, "run">, backend: Backend): readonly Rejection[] {
  let note: unknown;
  try {
    note = JSON.parse(Deno.readTextFileSync(pathOf(places)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return [];
    throw error;
  }
  const { backend: noted, rejected } = (note ?? {}) as Record<keyof BackendNote, unknown>;
  return noted === backend && Array.isArray(rejected) ? rejected.filter(isRejection) : [];
}

function isRejection(value: unknown): value is Rejection {
  const { backend, reason } = (value ?? {}) as Record<keyof Rejection, unknown>;
  return BACKENDS.some((name) => name === backend) && typeof reason === "string";
}

function pathOf({ run }: Pick<Locations, "run">): string {
  return `${run}/backend.json`;
}
