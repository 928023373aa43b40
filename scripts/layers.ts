/**
 * Checks the order of the source's layers: a file imports only from its own folder or from those to its right in
 * cli → agent → (policy · events · metrics) → kernel → ffi, so there is no cycle between folders. Prints each import that
 * does not, and exits 1 if there is one.
 *
 * @module
 */
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const TOP = fileURLToPath(new URL("..", import.meta.url));

/** Folders by rank: one may import from a lower rank, never from its own rank's neighbours. */
const RANKS: ReadonlyMap<string, number> = new Map([
  ["src/cli", 4],
  ["src/agent", 3],
  ["src/policy", 2],
  ["src/events", 2],
  ["src/metrics", 2],
  ["src/kernel", 1],
  ["ffi", 0],
]);

// Static imports, re-exports and dynamic imports with a literal; a build that hides one from this also hides it from esbuild.
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)"(\.[^"]+)"/g;

const problems: string[] = [];
for (const folder of RANKS.keys()) {
  for (const file of sourceFiles(folder)) problems.push(...misplacedImports(file));
}
for (const problem of problems) console.error(problem);
Deno.exit(problems.length > 0 ? 1 : 0);

function misplacedImports(file: string): string[] {
  const own = folderOf(file);
  const found: string[] = [];
  for (const match of Deno.readTextFileSync(join(TOP, file)).matchAll(IMPORT)) {
    const target = join(dirname(file), match[1] ?? "");
    const folder = folderOf(target);
    if (folder === own || target === "deno.json") continue;
    if (folder !== undefined && (RANKS.get(folder) ?? 0) < (own === undefined ? 0 : RANKS.get(own) ?? 0)) {
      continue;
    }
    found.push(`${file}: imports ${target}; expected its own folder or a lower layer`);
  }
  return found;
}

/** The layer a file belongs to, by its path from the top; undefined outside all of them. */
function folderOf(file: string): string | undefined {
  return [...RANKS.keys()].find((folder) => file.startsWith(`${folder}/`));
}

function* sourceFiles(folder: string): Generator<string> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(join(TOP, folder))];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sourceFiles(path);
    else if (entry.name.endsWith(".ts")) yield relative(TOP, join(TOP, path));
  }
}
