/**
 * State files that are damaged: they are kept under another name, for a person to look at.
 *
 * @module
 */

/** Renames a damaged file; says in one line what became of it. */
export function setAside(path: string): string {
  const aside = `${path}.damaged-${new Date().toISOString().replaceAll(":", "")}`;
  try {
    Deno.renameSync(path, aside);
    return `it was set aside as ${aside}`;
  } catch (error) {
    return `it could not be set aside: ${error instanceof Error ? error.message : error}`;
  }
}
