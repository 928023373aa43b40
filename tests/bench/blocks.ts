/**
 * The tables and plots of docs/performance.md, out of what is recorded.
 *
 * @module
 */
import { type Plot } from "./plot.ts";
import { percentText, recorded, type Results } from "./results.ts";
import { comparison, limitText, missed, type Row, shown, signed } from "./rows.ts";

/** A table as Markdown, by the name that a document gives. */
export const BLOCKS: Readonly<Record<string, (results: Results) => string>> = {
  "open-cost": openCost,
  "open-kernels": openKernels,
  "workload": workload,
  "apply": apply,
  "events": events,
  "start-up": (results) => plain(results, "start-up", ({ key }) => key !== "nothing"),
  "growth": growth,
  "measured": measured,
};

type Cells = readonly (readonly string[])[];

/** Numbers stand on the right. */
function markdown(head: readonly string[], rows: Cells): string {
  const rule = head.map((_, column) => column === 0 ? "---" : "---:");
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function rowsOf(results: Results, name: string): readonly Row[] {
  const { rows } = results[name] ?? {};
  if (rows === undefined) throw new RangeError(`tests/bench/results.json has nothing of ${name}`);
  return rows;
}

/** All rows of a backend on 6.1, with their limits. */
function openCost(results: Results): string {
  const rows = rowsOf(results, "open-cost");
  const find = (backend: string, name: string) => rows.find(({ key }) => key === `6.1/${backend}/${name}`);
  const names = rows.map(({ key }) => key.split("/")).filter(([kernel, backend, name]) =>
    kernel === "6.1" && backend === "lsm" && !/^(bare|grow)/.test(name ?? "")
  ).map(([, , name = ""]) => name);
  return markdown(
    ["with", "lsm", "over no program", "fmod_ret", "over no program", "limit"],
    names.map((name) => {
      const lsm = find("lsm", name);
      return [
        lsm?.text ?? name,
        ...["lsm", "fmod_ret"].flatMap((backend) => {
          const row = find(backend, name);
          return row === undefined ? ["-", "-"] : [shown(row.value), over(row, rows)];
        }),
        limitText(lsm?.limit),
      ];
    }),
  );
}

function over(row: Row, rows: readonly Row[]): string {
  const compared = comparison(row, rows);
  return compared === undefined ? "" : signed(compared.over);
}

/** What is compared over kernels. */
const OVER_KERNELS = [
  "empty-each",
  "miss-inode",
  "miss-anchors",
  "miss-10000",
  "miss-subtree",
  "exempt",
  "denied-coalesced",
  "denied-event",
];

function openKernels(results: Results): string {
  const rows = rowsOf(results, "open-cost");
  const columns = [...new Set(rows.map(({ key }) => key.split("/").slice(0, 2).join("/")))].sort((a, b) =>
    a.localeCompare(b, "en", { numeric: true })
  );
  return markdown(
    ["over no program", ...columns.map((column) => column.replace("/", ", "))],
    OVER_KERNELS.map((name) => [
      rows.find(({ key }) => key.endsWith(`/${name}`))?.text ?? name,
      ...columns.map((column) => {
        const row = rows.find(({ key }) => key === `${column}/${name}`);
        return row === undefined ? "-" : over(row, rows);
      }),
    ]),
  );
}

/** Guests whose baseline has one more among its LSMs than the one of `PLAIN`. */
const LISTED: Readonly<Record<string, string>> = {
  lsm: "`bpf` among the LSMs, no program",
  apparmor: "`apparmor` among the LSMs, no profile",
};
const PLAIN = "fmod_ret";

/** One line for each guard and number of rules, one column for each workload. */
function workload(results: Results): string {
  const rows = rowsOf(results, "workload"), keys = rows.map(({ key }) => key);
  const find = (guard: string, of: string, rules: string) =>
    rows.find(({ key }) => key === `${guard}/${of}/${rules}`);
  const workloads = [...new Set(keys.map((key) => key.split("/")[1] ?? ""))].filter((name) =>
    name !== "share"
  );
  const lines = [...new Set(keys.map((key) => key.replace(/\/\w+\//, "/")))].flatMap((guard) => {
    const [name = "", rules = ""] = guard.split("/");
    const cells = workloads.map((of) => find(name, of, rules));
    if (rules !== "bare") {
      return [[
        cells[0]?.text.replace(/^.*?: /, "") ?? guard,
        ...cells.map((row) => row === undefined ? "-" : percentText(comparison(row, rows)?.percent ?? NaN)),
        keys.includes(`${name}/share/${rules}`) ? recorded(`workload ${name}/share/${rules}`, results) : "-",
      ]];
    }
    const plain = workloads.map((of) => find(PLAIN, of, "bare")?.value);
    const text = LISTED[name];
    if (text === undefined || plain.includes(undefined)) return [];
    const over = cells.map((row, at) => ((row?.value ?? NaN) / (plain[at] ?? NaN) - 1) * 100);
    return [[text, ...over.map(percentText), "-"]];
  });
  const named = (of: string) =>
    rows.find(({ key }) => key.includes(`/${of}/`))?.text.replace(/: .*/, "") ?? of;
  return markdown(
    ["over the same without", ...workloads.map(named), "its own process, of all that ran"],
    lines,
  );
}

/** One line for each policy, with its times and the maps' memory. */
function apply(results: Results): string {
  const keys = rowsOf(results, "apply").map(({ key }) => key);
  const cell = (key: string) => keys.includes(key) ? recorded(`apply ${key}`, results) : "-";
  const policies = [...new Set(keys.filter((key) => key.endsWith("/kernel")).map((key) => key.slice(0, -7)))];
  const text = (key: string) => rowsOf(results, "apply").find((row) => row.key === key)?.text ?? key;
  return markdown(
    ["policy", "reading it", "into force", "rollback", "memory of all maps"],
    policies.map((policy) => [
      text(`${policy}/kernel`).replace(/: .*/, ""),
      cell(`${policy}/read/wall`),
      cell(`${policy}/apply/wall`),
      cell(`${policy.replace("paths", "rollback")}/wall`),
      cell(`${policy}/kernel`),
    ]),
  );
}

/** One line for each load. */
function events(results: Results): string {
  const rows = rowsOf(results, "events");
  const loads = [...new Set(rows.map(({ key }) => key.split("/")[0] ?? ""))].filter((load) =>
    load !== "latency"
  );
  const columns = ["opens_per_s", "events_per_s", "loss_percent", "cpu_percent", "rss_mib"];
  return markdown(
    ["load", "opens a second", "events a second", "records lost", "agent, of a core", "agent, resident"],
    loads.map((load) => [
      rows.find(({ key }) => key === `${load}/cpu_percent`)?.text.replace(/: .*/, "") ?? load,
      ...columns.map((column) =>
        rows.some(({ key }) => key === `${load}/${column}`)
          ? recorded(`events ${load}/${column}`, results).replace(/ a second| of a core/, "")
          : "-"
      ),
    ]),
  );
}

function plain(results: Results, name: string, shows: (row: Row) => boolean): string {
  return markdown(
    ["what", "measured"],
    rowsOf(results, name).filter(shows).map(({ key, text }) => [text, recorded(`${name} ${key}`, results)]),
  );
}

/** The plots of a page: its images. */
function growth(results: Results): string {
  return Object.entries(plots(results)).map(([file, { title }]) => `![${title}](plots/${file})`).join("\n\n");
}

/** What was measured when, and where. */
function measured(results: Results): string {
  return markdown(
    ["benchmark", "when", "commit", "kernel", "processor", "load before it", "limits missed"],
    Object.entries(results).map(([name, { at, commit, machine, load, rows }]) => [
      `\`${name}\``,
      at.slice(0, 16).replace("T", " "),
      commit,
      machine.kernel,
      `${machine.cores} × ${machine.cpu}`,
      load.toFixed(1),
      rows.filter((row) => missed(row, rows) !== undefined).map(({ key }) => key).join(", ") || "none",
    ]),
  );
}

/** The plots, by the name of their file. */
export function plots(results: Results): Record<string, Plot> {
  const open = rowsOf(results, "open-cost");
  const grown = (what: string, more: readonly [number, string][] = []): [number, number][] =>
    [
      ...open.flatMap((row): [number, Row][] => {
        const size = new RegExp(`^6\\.1/lsm/grow-${what}-(\\d+)$`).exec(row.key)?.[1];
        return size === undefined ? [] : [[Number(size), row]];
      }),
      ...more.flatMap(([size, name]): [number, Row][] =>
        open.filter(({ key }) => key === `6.1/lsm/${name}`).map((row) => [size, row])
      ),
    ].map(([size, row]): [number, number] => [size, comparison(row, open)?.over ?? NaN]);
  const applied = (of: string): [number, number][] =>
    rowsOf(results, "apply").flatMap(({ key, value }): [number, number][] => {
      const size = new RegExp(`^paths/(\\d+)/${of}$`).exec(key)?.[1];
      return size === undefined ? [] : [[Number(size), value]];
    });
  const started = (of: string): [number, number][] =>
    rowsOf(results, "start-up").flatMap(({ key, value }): [number, number][] => {
      const size = new RegExp(`^${of}/(\\d+)$`).exec(key)?.[1];
      return size === undefined ? [] : [[Number(size), value]];
    });
  const flood = rowsOf(results, "events").flatMap(({ key, value }): [number, number][] => {
    const processes = /^flood-(\d+)\/opens_per_s$/.exec(key)?.[1];
    return processes === undefined ? [] : [[Number(processes), value]];
  });
  const instructions = "instructions over no program (6.1, lsm)";
  return {
    "open-rules.svg": {
      ...{
        title: "An open that no rule names, by rules",
        x: "path rules",
        y: instructions,
        log: { x: true },
      },
      lines: [{ name: "miss", points: grown("rules", [[10_000, "miss-10000"]]) }],
    },
    "open-depth.svg": {
      ...{
        title: "An open below no subtree rule, by depth",
        x: "directories above the file",
        y: instructions,
      },
      lines: [{ name: "miss", points: grown("depth") }],
    },
    "open-cgroups.svg": {
      ...{ title: "A rule for other cgroups, by their number", x: "cgroups in its scope", y: instructions },
      log: { x: true },
      lines: [{ name: "not about the caller", points: grown("cgroups") }],
    },
    "open-level.svg": {
      ...{ title: "An open that an allowed cgroup covers, by depth", x: "levels below the cgroup" },
      ...{ y: instructions, lines: [{ name: "exempt", points: grown("level") }] },
    },
    "apply-rules.svg": {
      ...{ title: "A policy of path rules, by rules", x: "rules", y: "ms", log: { x: true, y: true } },
      lines: [
        { name: "reading it", points: applied("read/wall") },
        { name: "into force", points: applied("apply/wall") },
      ],
    },
    "memory-rules.svg": {
      ...{ title: "Memory of all maps, by rules", x: "path rules", y: "MiB", log: { x: true } },
      lines: [{ name: "maps", points: applied("kernel") }],
    },
    "resident-rules.svg": {
      ...{
        title: "Resident memory of an agent just started, by rules",
        x: "path rules",
        y: "MiB",
        log: { x: true },
      },
      lines: [{ name: "agent", points: started("resident") }],
    },
    "flood-processes.svg": {
      ...{ title: "A flood, by processes (one on a core)", x: "processes", y: "opens a second, all counted" },
      lines: [{ name: "opens", points: flood }],
    },
  };
}
