/**
 * Measures instructions for one open and close (and some other operations) in guests whose clocks advance with their instructions.
 *
 *   tests/bench/open-cost [--kernel K]... [--lsm bpf|none]... [--grow] [--agent PATH | --no-agent] [--json]
 *
 * With `bpf` in the LSM list the backend is `lsm`, without it `fmod_ret`. --grow also measures, with `lsm` on 6.1, how
 * costs grow with rules, depth and cgroups. Prints one table (or, with --json, the rows), leaves the rows in
 * build/bench/open-cost.json, and exits 1 when a row on 6.1 exceeds its limit. Repeats to about 0.3 %.
 */

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { copyAgent, ROOT, tool } from "../vm/pack.ts";
import { beside } from "./guests.ts";
import { leave, type Limit, type Row, WORK } from "./rows.ts";

/** The kernel that limits are about. */
const LIMITED = "6.1";
/** What two measurements of the same may differ by: mmap() builds trees of memory, whose shape varies. */
const NOISE: Limit = { over: 30 };
const MMAP_NOISE: Limit = { percent: 2 };

interface Kind {
  readonly text: string;
  readonly bare: string;
  readonly limit?: Limit;
  readonly result?: string;
}

/** The rows, which of them is the bare one to compare with, and what they may cost. */
const KINDS: Record<string, Kind> = {
  "bare": { text: "no program, one file", bare: "bare" },
  "bare-each": { text: "no program, 512 files in 8 directories", bare: "bare-each" },
  "bare-fresh": { text: "no program, files never opened before", bare: "bare-fresh" },
  "bare-deep": { text: "no program, 512 files at depth 8", bare: "bare-deep" },
  "bare-spaced": { text: "no program, 64 files, each once a second", bare: "bare-spaced" },
  ...operations("bare", "no program"),
  "empty": { text: "empty program, one file", bare: "bare" },
  "empty-each": { text: "empty program, 512 files", bare: "bare-each" },
  "miss-inode": { text: "1 inode rule, 512 other files", bare: "bare-each", limit: { over: 260 } },
  ...operations("absent", "1 inode rule", NOISE),
  ...operations("attached", "rules about all operations"),
  "miss-anchors": { text: "9 path rules, 512 files beside them", bare: "bare-each", limit: { over: 260 } },
  "miss-10000": { text: "10,000 path rules, 512 other files", bare: "bare-each", limit: { over: 260 } },
  "miss-subtree": {
    text: "a subtree rule, 512 other files at depth 8",
    bare: "bare-deep",
    limit: { over: 760 },
  },
  "exempt": { text: "a denied file from an exempt cgroup", bare: "bare" },
  "denied-coalesced": { text: "denied, coalesced", bare: "bare", limit: { max: 10_500 }, result: "EPERM" },
  "denied-10000": {
    text: "denied, coalesced, 10,000 rules",
    bare: "bare",
    limit: { max: 10_500 },
    result: "EPERM",
  },
  "denied-event": {
    text: "denied, an event each",
    bare: "bare-spaced",
    limit: { max: 13_000 },
    result: "EPERM",
  },
  "denied-first": { text: "denied, the first of its rule and file", bare: "bare-fresh", result: "EPERM" },
};

/** Rows of --grow, `grow-WHAT-N`. */
const GROWTH: Record<string, (size: string) => Kind> = {
  "rules": (size) => ({
    text: `${size} path rule${size === "1" ? "" : "s"}, 512 other files`,
    bare: "bare-each",
  }),
  "bare": (size) => ({ text: `no program, 512 files at depth ${size}`, bare: `grow-bare-${size}` }),
  "depth": (size) => ({
    text: `a subtree rule, 512 other files at depth ${size}`,
    bare: `grow-bare-${size}`,
  }),
  "cgroups": (size) => ({
    text: `a rule for ${size} other cgroup${size === "1" ? "" : "s"}, its file`,
    bare: "bare",
  }),
  "level": (size) => ({
    text: `a denied file, ${size} level${size === "1" ? "" : "s"} below an exempt cgroup`,
    bare: "bare",
  }),
};

const { values } = parseArgs({
  options: {
    kernel: { type: "string", multiple: true, default: [LIMITED] },
    lsm: { type: "string", multiple: true, default: ["bpf", "none"] },
    grow: { type: "boolean", default: false },
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
  ...["-O2", "-s", "-static", "-Wall", "-Wextra", "-Werror", "-std=gnu11"],
  ...["-o", `${share}/open-cost`, `${here}/open-cost.c`],
]);
for (const name of ["open-cost-guest", "guest.sh"]) {
  await Deno.copyFile(`${here}/${name}`, `${share}/${name}`);
}
if (agent !== undefined) await copyAgent(agent, share);

const guests = values.kernel.flatMap((kernel) => values.lsm.map((lsm) => [kernel, lsm] as const));
const rows = await beside(guests, ([kernel, lsm]) => measure(kernel, lsm));
Deno.exit(leave("open-cost", rows.flat(), values.json));

async function measure(kernel: string, lsm: string): Promise<Row[]> {
  const backend = lsm === "bpf" ? "lsm" : "fmod_ret";
  const grow = values.grow && kernel === LIMITED && backend === "lsm";
  const { success, stdout, stderr } = await new Deno.Command(`${ROOT}/tests/vm/vm`, {
    args: [
      ...["run", "--icount", "--kernel", kernel, "--lsm", lsm, "--mem", "1024", "--timeout", "1200"],
      // Where a program lies in memory changes what mmap() costs.
      ...["--append", "norandmaps"],
      ...["--share", share, "--", "./open-cost-guest", backend],
      ...(agent === undefined ? [] : [`${share}/aegisbpf`]),
      ...(grow ? ["grow"] : []),
    ],
    stdin: "null",
  }).output();
  if (!success) throw new Error(`The guest failed: ${new TextDecoder().decode(stderr).slice(-3000)}`);
  return new TextDecoder().decode(stdout).trim().split("\n").map((line): Row => {
    const [name = "", numbers = ""] = line.split("\t");
    const [instructions, , , result] = numbers.split(" ");
    const kind = kindOf(name);
    if (result !== (kind.result ?? "ok")) throw new Error(`Row ${name}: the opens ended with ${result}`);
    return {
      key: `${kernel}/${backend}/${name}`,
      text: kind.text,
      value: Number(instructions),
      unit: "instructions",
      ...(kind.bare === name ? {} : { baseline: `${kernel}/${backend}/${kind.bare}` }),
      ...(kind.limit !== undefined && kernel === LIMITED ? { limit: kind.limit } : {}),
    };
  });
}

function kindOf(name: string): Kind {
  const [, what = "", size = ""] = /^grow-(\w+)-(\d+)$/.exec(name) ?? [];
  const kind = KINDS[name] ?? GROWTH[what]?.(Number(size).toLocaleString("en"));
  if (kind === undefined) throw new Error(`The guest measured ${name}, which is no row`);
  return kind;
}

/** Rows of operations besides opening. */
function operations(group: string, text: string, noise?: Limit): Record<string, Kind> {
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
      ...(noise === undefined ? {} : { limit: operation === "mmap" ? MMAP_NOISE : noise }),
    }]),
  );
}
