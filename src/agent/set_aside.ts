/**
 * State files that are damaged: they are kept under another name, for a person to look at.
 *
 * @module
 */
import { setAside } from "./durable_file.ts";

/** Sets a damaged file aside; says in one line what became of it. */
export function asideText(path: string): string {
  try {
    return `it was set aside as ${setAside(path)}`;
  } catch (error) {
    return `it could not be set aside: ${error instanceof Error ? error.message : error}`;
  }
}
