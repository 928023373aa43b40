/**
 * Measures instructions for one open and close (and some other operations) in a guest whose clock advances with its instructions.
 *
 *   tests/bench/open-cost [--kernel K] [--lsm bpf|none]... [--agent PATH | --no-agent] [--json]
 *
 * With `bpf` in the LSM list the backend is `lsm`, without it `fmod_ret`. Prints one table (or, with --json, the rows), leaves the rows in
 * build/bench/open-cost.json, and exits 1 when a row exceeds its limit. Repeats to about 0.3 %.
 */

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { copyAgent, ROOT, tool } from "../vm/pack.ts";

/** One line of the table. */
interface Row {
  readonly backend: string;
  readonly row: string;
  /** Instructions for one open, and close where it opens: the median of the rounds, and the extremes. */
  readonly instructions: number;
  readonly min: number;
  readonly max: number;
  /** Against the same opens without any program. */
  readonly over_bare: number;
  readonly result: string;
  /** What the row may cost at most, where that is promised. */
  readonly limit?: { readonly over_bare?: number; readonly instructions?: number };
}

/** What two measurements of the same may differ by. */
const NOISE = 30;

/** The rows, which of them is the bare one to compare with, and what they may cost. */
const ROWS: Record<
  string,
  { readonly text: string; readonly bare: string; readonly limit?: Row["limit"]; readonly result?: string }
> = {
  "bare": { text: "no program, one file", bare: "bare" },
  "bare-each": { text: "no program, 512 files in 8 directories", bare: "bare-each" },
  "bare-fresh": { text: "no program, files never opened before", bare: "bare-fresh" },
  "bare-deep": { text: "no program, 512 files at depth 8", bare: "bare-deep" },
  "bare-spaced": { text: "no program, 64 files, each once a second", bare: "bare-spaced" },
  ...operations("bare", "no program"),
  "empty": { text: "empty program, one file", bare: "bare" },
  "empty-each": { text: "empty program, 512 files", bare: "bare-each" },
  "miss-inode": { text: "1 inode rule, 512 other files", bare: "bare-each", limit: { over_bare: 260 } },
  ...operations("absent", "the same", NOISE),
  "miss-anchors": {
    text: "9 path rules, 512 files beside them",
    bare: "bare-each",
    limit: { over_bare: 260 },
  },
  "miss-10000": { text: "10,000 path rules, 512 other files", bare: "bare-each", limit: { over_bare: 260 } },
  "miss-subtree": {
    text: "a subtree rule, 512 other files at depth 8",
    bare: "bare-deep",
    limit: { over_bare: 760 },
  },
  "exempt": { text: "a denied file from an exempt cgroup", bare: "bare" },
  "denied-coalesced": {
    text: "denied, coalesced",
    bare: "bare",
    limit: { instructions: 10_500 },
    result: "EPERM",
  },
  "denied-10000": {
    text: "denied, coalesced, 10,000 rules",
    bare: "bare",
    limit: { instructions: 10_500 },
    result: "EPERM",
  },
  "denied-event": {
    text: "denied, an event each",
    bare: "bare-spaced",
    limit: { instructions: 13_000 },
    result: "EPERM",
  },
  "denied-first": { text: "denied, the first of its rule and file", bare: "bare-fresh", result: "EPERM" },
};
const WORK = `${ROOT}/build/bench`;

const { values } = parseArgs({
  options: {
    kernel: { type: "string", default: "6.1" },
    lsm: { type: "string", multiple: true, default: ["bpf", "none"] },
    agent: { type: "string", default: `${ROOT}/dist/aegisbpf` },
    "no-agent": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const agent = values["no-agent"] ? undefined : resolve(values.agent);
const share = `${WORK}/share`;
await Deno.remove(share, { recursive: true }).catch(() => {});
await Deno.mkdir(share, { recursive: true });
const here = `${ROOT}/tests/bench`;
await tool("gcc", [
  "-O2",
  "-s",
  "-static",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-std=gnu11",
  "-o",
  `${share}/open-cost`,
  `${here}/open-cost.c`,
]);
await Deno.copyFile(`${here}/open-cost-guest`, `${share}/open-cost-guest`);
if (agent !== undefined) await copyAgent(agent, share);

const rows: Row[] = [];
for (const lsm of values.lsm) rows.push(...await measure(lsm));
await Deno.writeTextFile(`${WORK}/open-cost.json`, JSON.stringify(rows, null, 2) + "\n");
if (values.json) console.log(JSON.stringify(rows, null, 2));
else print(rows);
Deno.exit(rows.some(exceeds) ? 1 : 0);

async function measure(lsm: string): Promise<Row[]> {
  const backend = lsm === "bpf" ? "lsm" : "fmod_ret";
  const { success, stdout, stderr } = await new Deno.Command(`${ROOT}/tests/vm/vm`, {
    args: [
      ...[
        "run",
        "--icount",
        "--kernel",
        values.kernel,
        "--lsm",
        lsm,
        "--mem",
        "1024",
        "--timeout",
        "600",
        "--share",
        share,
        "--",
      ],
      ...["./open-cost-guest", backend, ...(agent === undefined ? [] : [`${share}/aegisbpf`])],
    ],
    stdin: "null",
  }).output();
  if (!success) throw new Error(`The guest failed: ${new TextDecoder().decode(stderr).slice(-3000)}`);
  const measured = new Map<string, [number, number, number, string]>();
  for (const line of new TextDecoder().decode(stdout).trim().split("\n")) {
    const [row = "", numbers = ""] = line.split("\t");
    const [median, min, max, result = ""] = numbers.split(" ");
    measured.set(row, [Number(median), Number(min), Number(max), result]);
  }
  return [...measured].map(([row, [instructions, min, max, result]]) => {
    const { bare, limit, result: expected } = ROWS[row] ?? { bare: row };
    if (result !== (expected ?? "ok")) throw new Error(`Row ${row}: the opens ended with ${result}`);
    const over = instructions - (measured.get(bare)?.[0] ?? Number.NaN);
    return { backend, row, instructions, min, max, over_bare: over, result, ...(limit ? { limit } : {}) };
  });
}

/** Rows of operations besides opening, whose hooks no rule here needs. */
function operations(group: string, text: string, limit?: number): typeof ROWS {
  const named = {
    chmod: "chmod",
    rename: "rename there and back",
    link: "link, unlink",
    mmap: "mmap, munmap",
  };
  return Object.fromEntries(
    Object.entries(named).map(([operation, name]) => [`${group}-${operation}`, {
      text: `${text}: ${name}`,
      bare: `bare-${operation}`,
      ...(limit === undefined ? {} : { limit: { over_bare: limit } }),
    }]),
  );
}

function exceeds({ limit, over_bare, instructions }: Row): boolean {
  return over_bare > (limit?.over_bare ?? Infinity) || instructions > (limit?.instructions ?? Infinity);
}

function print(rows: readonly Row[]): void {
  console.log(`Instructions for one open and close on ${values.kernel}, median of 11 rounds`);
  console.log(["backend ", "row".padEnd(42), "  total", " - bare", "  limit"].join("  "));
  for (const row of rows) {
    const { limit } = row;
    const bound = limit?.over_bare !== undefined
      ? `+${limit.over_bare}`
      : limit?.instructions?.toString() ?? "";
    console.log(
      [
        row.backend.padEnd(8),
        (ROWS[row.row]?.text ?? row.row).padEnd(42),
        String(row.instructions).padStart(7),
        `${row.over_bare < 0 ? "" : "+"}${row.over_bare}`.padStart(7),
        bound.padStart(7),
        exceeds(row) ? "EXCEEDED" : "",
      ].join("  ").trimEnd(),
    );
  }
}
