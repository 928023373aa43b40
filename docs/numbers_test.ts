/** Holds the numbers in documents against tests/bench/results.json, which scripts/bench wrote. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { plots } from "../tests/bench/blocks.ts";
import { byHand, compact, written } from "../tests/bench/pages.ts";
import { svg } from "../tests/bench/plot.ts";
import { readResults, recorded } from "../tests/bench/results.ts";

const TOP = new URL("../", import.meta.url);
const PAGES = [
  "README.md",
  ...[...Deno.readDirSync(new URL("docs/", TOP))].map(({ name }) => `docs/${name}`).filter((name) =>
    name.endsWith(".md")
  ),
].sort();
const RESULTS = readResults();

/** What is no measurement, but how the product is set, or what a test does; and where the documents say it. */
const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  // How often places are looked at, and how long a look may be.
  "100 ms": ["docs/THREAT_MODEL.md", "docs/coverage.md", "docs/degraded-modes.md"],
  "2 ms": ["docs/coverage.md"],
};

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, TOP));
}

Deno.test("what documents show of the benchmarks is what was recorded", () => {
  for (const page of PAGES) {
    const text = read(page);
    strictEqual(compact(text), compact(written(text, RESULTS)), `${page}: run scripts/bench --documents`);
  }
});

Deno.test("every plot is of what was recorded", () => {
  const files = [...Deno.readDirSync(new URL("docs/plots/", TOP))].map(({ name }) => name);
  deepStrictEqual(files.sort(), Object.keys(plots(RESULTS)).sort());
  for (const [file, plot] of Object.entries(plots(RESULTS))) {
    ok(plot.lines.every(({ points }) => points.length > 1), `${file} has a line of one point`);
    strictEqual(read(`docs/plots/${file}`), svg(plot), `${file}: run scripts/bench --documents`);
  }
});

Deno.test("every number with a unit of measurement is recorded, a limit that is checked, or a setting", () => {
  const unknown = PAGES
    // The limits of the service levels are held against the benchmarks' sources by docs_test.ts.
    .filter((page) => page !== "docs/SLO.md")
    .flatMap((page) =>
      [
        ...byHand(read(page)).matchAll(
          /[\d.,]*\d\s+(?:instructions|[mµn]s|[MG]i?B(?= (?:resident|of memory))|% of a core|(?:opens|events) a second)\b/g,
        ),
      ].map(([found]) => found.replace(/\s+/g, " "))
        .filter((found) => !SETTINGS[found]?.includes(page))
        .map((found) => `${page}: ${found}`)
    );
  deepStrictEqual(unknown, []);
});

Deno.test("every service level has a number that is recorded, or another file", () => {
  const [, table = ""] = read("docs/SLO.md").split("## Of a version");
  const rows = table.split("\n").filter((line) => /^\| [^-]/.test(line)).slice(1);
  ok(rows.length > 15);
  deepStrictEqual(rows.filter((row) => !/<!--= |\]\(|each run/.test(row)), []);
});

Deno.test("recorded() refuses what was not measured", () => {
  throws(() => recorded("open-cost 6.1/lsm/nothing", RESULTS), RangeError);
});
