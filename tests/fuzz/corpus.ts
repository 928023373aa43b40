/**
 * The inputs that fuzzing begins with.
 *
 * @module
 */

/** The files of a folder of `corpus/`, by name. */
export function corpusOf(name: string): readonly Uint8Array[] {
  const folder = new URL(`corpus/${name}/`, import.meta.url);
  const files = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
  return files.map((file) => Deno.readFileSync(new URL(file, folder)));
}
