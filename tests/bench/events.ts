/**
 * Measures, on this machine's kernel and under a private root: whether a flood of audited opens is counted exactly and
 * reported whole, and what the agent takes for it.
 *
 *   tests/bench/events [--agent PATH] [--seconds N] [--json]
 *
 * N is how long each row lasts, by default 15. One row stands for an hour: its flows get a record as much more often. Prints one table (or, with --json, the rows), leaves the rows in
 * build/bench/events.json, and exits 1 when a row misses its limit.
 */
import { parseArgs } from "node:util";
import { mount, unmount } from "../../ffi/libc.ts";
import { Pins } from "../../src/kernel/pins.ts";
import { useShippedLibbpf } from "../../src/kernel/shipped_libbpf.ts";
import { RecordedLines } from "../../src/events/recorded.ts";

const { values } = parseArgs({
  options: {
    agent: { type: "string", default: new URL("../../dist/aegisbpf", import.meta.url).pathname },
    seconds: { type: "string", default: "15" },
    json: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
if (!Number.isInteger(seconds) || seconds < 2) {
  throw new Error(`Expected --seconds to be a whole number from 2, got ${values.seconds}`);
}

/** One line of the table. */
interface Row {
  readonly row: string;
  /** Opens that were made, each of a file that a rule watches. */
  readonly opens: number;
  readonly opens_per_s: number;
  /** What the kernel side counted more or less than that, and what all events stand for more or less. */
  readonly counters_off: number;
  readonly events_off: number;
  /** Events that were recorded. */
  readonly events: number;
  readonly events_per_s: number;
  /** Share of decisions whose record was lost, percent. */
  readonly loss_percent: number;
  /** The agent's processor time, percent of one core. */
  readonly cpu_percent: number;
  /** Resident at the end. */
  readonly rss_mib: number;
  readonly misses: readonly string[];
}

type Limit = Partial<Record<"opens_per_s_min" | "loss_percent" | "cpu_percent" | "rss_mib", number>>;

/** What is asked for in a row. */
interface Load {
  readonly row: string;
  readonly files: number;
  readonly processes: number;
  /** Opens a second of each process; 0: as many as it can. */
  readonly rate: number;
  /** Whether the time of the row stands for an hour: as many events come as in an hour. */
  readonly hour?: boolean;
  readonly limit: Limit;
}

const RSS_MIB = 90;
/** What a flow gets one record in, nanoseconds. */
const COALESCE_NS = 1_000_000_000n;

const LOADS: readonly Load[] = [
  { row: "idle", files: 0, processes: 0, rate: 0, limit: { cpu_percent: 0.5, rss_mib: RSS_MIB } },
  {
    row: "flood, 10 files",
    files: 10,
    processes: 2,
    rate: 0,
    limit: { opens_per_s_min: 200_000, loss_percent: 0.1, rss_mib: RSS_MIB },
  },
  {
    row: "10,000/s, 100 files",
    files: 100,
    processes: 1,
    rate: 10_000,
    limit: { cpu_percent: 10, loss_percent: 0.1, rss_mib: RSS_MIB },
  },
  {
    row: "an hour of 10,000/s, 20 files",
    files: 20,
    processes: 1,
    rate: 10_000,
    hour: true,
    limit: { loss_percent: 0.1, rss_mib: RSS_MIB },
  },
  {
    row: "10,000/s, each a record",
    files: 30_000,
    processes: 1,
    rate: 10_000,
    limit: {},
  },
  { row: "flood, 100,000 files", files: 100_000, processes: 2, rate: 0, limit: {} },
];

const ticksPerSecond = Number(new TextDecoder().decode(
  new Deno.Command("getconf", { args: ["CLK_TCK"] }).outputSync().stdout,
));
const root = Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "aegisbpf-bench-" });
const bpffs = `${root}/bpf`;
const env = { AEGISBPF_ROOT: root, AEGISBPF_BPFFS: bpffs };
const watched = `${root}/watched`;
const opener = `${root}/opener`;
const recorded = `${root}/var/lib/aegisbpf/events`;

function run(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args, env }).outputSync();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

interface Stats {
  readonly audited: number;
  readonly events: {
    readonly emitted: number;
    readonly delivered: number;
    readonly coalesced: number;
    readonly dropped: number;
  };
}

function stats(): Stats {
  return JSON.parse(run(values.agent, "stats", "--json"));
}

async function start(): Promise<Deno.ChildProcess> {
  const policy = `${root}/policy.yaml`;
  const rule = `{id: watched, paths: ["${watched}/**"], deny: [read], mode: audit}`;
  Deno.writeTextFileSync(policy, `version: 1\nname: bench\nserial: 1\nmode: audit\nrules: [${rule}]\n`);
  const agent = new Deno.Command(values.agent, {
    args: ["run", "--policy", policy, "--events", "off", "--record", "2G", "--backend", "tracepoint"],
    env,
    stdout: "null",
    stderr: "null",
  }).spawn();
  for (const end = performance.now() + 20_000; performance.now() < end;) {
    await sleep(50);
    try {
      stats();
      return agent;
    } catch {
      // Not yet.
    }
  }
  throw new Error("The agent does not answer");
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function residentMib(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? NaN) / 1024;
}

/** Opens made by all processes together, and by how many in a second. */
async function load({ files, processes, rate }: Load): Promise<[opens: number, perSecond: number]> {
  if (processes === 0) {
    await sleep(seconds * 1000);
    return [0, 0];
  }
  const outputs = await Promise.all(
    Array.from(
      { length: processes },
      () =>
        new Deno.Command(opener, { args: [`${watched}/f`, `${files}`, `${seconds}`, `${rate}`] }).output(),
    ),
  );
  const results = outputs.map(({ stdout }) => new TextDecoder().decode(stdout).trim().split(" ").map(Number));
  return [
    results.reduce((sum, [opens = 0]) => sum + opens, 0),
    results.reduce((sum, [opens = 0, ns = 1]) => sum + opens / ns * 1e9, 0),
  ];
}

const lines = new RecordedLines(recorded);

/** How many events came since the last call, and for how many decisions they stand. */
function newEvents(): { readonly events: number; readonly count: number } {
  let events = 0, count = 0;
  for (const line of lines.take()) {
    const found = /"count":(\d+)/.exec(line);
    // Lines about the agent's own state stand for no decision.
    if (found === null) continue;
    events++;
    count += Number(found[1]);
  }
  return { events, count };
}

async function measure(agent: Deno.ChildProcess, wanted: Load): Promise<Row> {
  {
    using state = new Pins(`${bpffs}/aegisbpf`).open();
    state.control.coalesceNs = wanted.hour ? COALESCE_NS * BigInt(seconds) / 3600n : COALESCE_NS;
  }
  const before = stats();
  await sleep(1000);
  const cpu = cpuSeconds(agent.pid), started = performance.now();
  const [opens, perSecond] = await load(wanted);
  const cpuPercent = (cpuSeconds(agent.pid) - cpu) / (performance.now() - started) * 100_000;
  const rss = residentMib(agent.pid);
  // What was coalesced is reported when its second is over, and what waits is written.
  let events = 0, count = 0;
  for (const end = performance.now() + 30_000; performance.now() < end;) {
    await sleep(1500);
    const more = opens === 0 ? { events: 0, count: 0 } : newEvents();
    events += more.events;
    count += more.count;
    if (count >= opens && more.events === 0) break;
  }
  const after = stats();
  const difference = (key: keyof Stats["events"]) => after.events[key] - before.events[key];
  const emitted = difference("emitted");
  const unexplained = emitted - difference("delivered") - difference("coalesced") - difference("dropped");
  const row = {
    row: wanted.row,
    opens,
    opens_per_s: Math.round(perSecond),
    counters_off: after.audited - before.audited - opens || emitted - opens || unexplained,
    events_off: count - opens,
    events,
    events_per_s: Math.round(events / seconds),
    loss_percent: opens === 0 ? 0 : difference("dropped") / emitted * 100,
    cpu_percent: cpuPercent,
    rss_mib: rss,
  };
  return { ...row, misses: missesOf(row, wanted.limit) };
}

function missesOf(row: Omit<Row, "misses">, limit: Limit): string[] {
  const misses: string[] = [];
  if (row.counters_off !== 0) misses.push("counters");
  if (row.events_off !== 0) misses.push("events");
  if (row.opens_per_s < (limit.opens_per_s_min ?? 0)) misses.push("opens");
  for (const key of ["loss_percent", "cpu_percent", "rss_mib"] as const) {
    if (row[key] > (limit[key] ?? Infinity)) misses.push(key.split("_")[0] ?? key);
  }
  return misses;
}

function table(rows: readonly Row[]): string {
  const head = [
    "ROW",
    "OPENS/S",
    "COUNTERS OFF",
    "EVENTS OFF",
    "EVENTS/S",
    "LOSS %",
    "CPU %",
    "RSS MIB",
    "MISSES",
  ];
  const cells = rows.map((row) => [
    row.row,
    row.opens_per_s.toLocaleString("en"),
    String(row.counters_off),
    String(row.events_off),
    row.events_per_s.toLocaleString("en"),
    row.loss_percent.toFixed(3),
    row.cpu_percent.toFixed(2),
    row.rss_mib.toFixed(1),
    row.misses.join(", ") || "-",
  ]);
  const widths = head.map((text, column) =>
    Math.max(text.length, ...cells.map((row) => row[column]?.length ?? 0))
  );
  return [head, ...cells].map((row) =>
    row.map((text, column) => column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0))
      .join("  ")
  ).join("\n");
}

useShippedLibbpf();
let failed = false;
Deno.mkdirSync(bpffs);
mount("bpf", bpffs, "bpf");
let agent: Deno.ChildProcess | undefined;
try {
  Deno.mkdirSync(watched);
  run("gcc", "-O2", "-o", opener, new URL("events.c", import.meta.url).pathname);
  for (let file = 0; file < 100_000; file++) Deno.writeTextFileSync(`${watched}/f${file}`, "");
  agent = await start();
  const rows: Row[] = [];
  for (const wanted of LOADS) rows.push(await measure(agent, wanted));
  failed = rows.some(({ misses }) => misses.length > 0);
  const folder = new URL("../../build/bench/", import.meta.url);
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(new URL("events.json", folder), `${JSON.stringify(rows, null, 2)}\n`);
  console.log(values.json ? JSON.stringify(rows) : table(rows));
} finally {
  lines[Symbol.dispose]();
  agent?.kill("SIGTERM");
  await agent?.status;
  new Deno.Command(values.agent, { args: ["detach", "--yes"], env, stdout: "null", stderr: "null" })
    .outputSync();
  unmount(bpffs);
  Deno.removeSync(root, { recursive: true });
}
Deno.exit(failed ? 1 : 0);
