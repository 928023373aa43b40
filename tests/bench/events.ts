/**
 * Measures, on this machine's kernel and under a private root: whether a flood of audited opens is counted exactly and
 * reported whole, and what the agent takes for it.
 *
 *   tests/bench/events [--agent PATH] [--seconds N] [--json]
 *
 * N is how long each load lasts, by default 10. One load stands for an hour: its flows get a record as much more
 * often. Prints one table (or, with --json, the rows), leaves the rows in build/bench/events.json, and exits 1 when a
 * row misses its limit.
 */
import { parseArgs } from "node:util";
import { mount, unmount } from "../../ffi/libc.ts";
import { Pins } from "../../src/kernel/pins.ts";
import { useShippedLibbpf } from "../../src/kernel/shipped_libbpf.ts";
import { RecordedLines } from "../../src/events/recorded.ts";
import { leave, type Limit, type Row } from "./rows.ts";

const { values } = parseArgs({
  options: {
    agent: { type: "string", default: new URL("../../dist/aegisbpf", import.meta.url).pathname },
    seconds: { type: "string", default: "10" },
    json: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
if (!Number.isInteger(seconds) || seconds < 2) {
  throw new Error(`Expected --seconds to be a whole number from 2, got ${values.seconds}`);
}

/** What one load did. */
interface Measured {
  /** Opens that were made, each of a file that a rule watches. */
  readonly opens: number;
  readonly opens_per_s: number;
  /** What the kernel side counted more or less than that, and what all events stand for more or less. */
  readonly counters_off: number;
  readonly events_off: number;
  /** Decisions that neither an event nor the number of dropped records stands for. */
  readonly untold: number;
  /** Events that were recorded. */
  readonly events: number;
  readonly events_per_s: number;
  /** Share of decisions whose record was lost, percent. */
  readonly loss_percent: number;
  /** The agent's processor time, percent of one core. */
  readonly cpu_percent: number;
  /** Resident at the end. */
  readonly rss_mib: number;
}

/** What is asked for. */
interface Load {
  readonly key: string;
  readonly text: string;
  readonly files: number;
  readonly processes: number;
  /** Opens a second of each process; 0: as many as it can. */
  readonly rate: number;
  /** Whether the time of the row stands for an hour: as many events come as in an hour. */
  readonly hour?: boolean;
  readonly limits: Partial<Record<keyof Measured, Limit>>;
}

const RSS_MIB = { rss_mib: { max: 90 } };
const LOSS = { loss_percent: { max: 0.1 } };
/** What a flow gets one record in, nanoseconds. */
const COALESCE_NS = 1_000_000_000n;
/** Until the code of an agent that has just begun is compiled, it is not idle. */
const WARM_UP_MS = 10_000;

/** How many files are opened to see how late their events are. */
const LATENCIES = 100;

const LOADS: readonly Load[] = [
  {
    ...{ key: "idle", text: "nothing", files: 0, processes: 0, rate: 0 },
    limits: { cpu_percent: { max: 0.5 }, ...RSS_MIB },
  },
  {
    ...{ key: "flood-1", text: "a flood by 1 process, 10 files", files: 10, processes: 1, rate: 0 },
    limits: { ...LOSS, ...RSS_MIB },
  },
  {
    ...{ key: "flood-2", text: "a flood by 2 processes, 10 files", files: 10, processes: 2, rate: 0 },
    limits: { opens_per_s: { min: 200_000 }, ...LOSS, ...RSS_MIB },
  },
  {
    ...{ key: "steady", text: "10,000 a second, 100 files", files: 100, processes: 1, rate: 10_000 },
    limits: { cpu_percent: { max: 10 }, ...LOSS, ...RSS_MIB },
  },
  {
    ...{ key: "hour", text: "the events of an hour of 10,000 a second, 20 files", files: 20, processes: 1 },
    ...{ rate: 10_000, hour: true, limits: { ...LOSS, ...RSS_MIB } },
  },
  {
    ...{ key: "records", text: "10,000 a second, each a record", files: 30_000, processes: 1, rate: 10_000 },
    limits: {},
  },
  {
    ...{ key: "wide", text: "a flood by 2 processes, 100,000 files", files: 100_000, processes: 2, rate: 0 },
    // More than flows are kept of: of the rest the rule's count is exact, and records that are dropped are counted.
    limits: { events_off: {} },
  },
];

/** What is shown of each load. */
const SHOWN: Partial<Record<keyof Measured, { readonly text: string; readonly unit: string }>> = {
  opens_per_s: { text: "opens", unit: "a second" },
  counters_off: { text: "counted more or less", unit: "" },
  events_off: { text: "decisions that events tell, more or less", unit: "" },
  untold: { text: "decisions that neither events nor dropped records tell", unit: "" },
  events_per_s: { text: "events", unit: "a second" },
  loss_percent: { text: "records lost", unit: "%" },
  cpu_percent: { text: "the agent's processor time", unit: "% of a core" },
  rss_mib: { text: "the agent's resident memory", unit: "MiB" },
};

/** The rows of a load; counts are exact. */
function rowsOf({ key, text, processes, limits }: Load, measured: Measured): Row[] {
  const exact = { min: 0, max: 0 };
  const held: Load["limits"] = { counters_off: exact, events_off: exact, untold: exact, ...limits };
  return (Object.keys(SHOWN) as (keyof Measured)[]).flatMap((name): Row[] => {
    const { text: what, unit } = SHOWN[name] ?? { text: name, unit: "" };
    const value = measured[name];
    if (value === undefined || processes === 0 && !/cpu|rss/.test(name)) return [];
    const limit = held[name];
    const baseline = `${key}/${name}` === FLOOD ? { baseline: BARE } : {};
    return [{
      key: `${key}/${name}`,
      text: `${text}: ${what}`,
      value,
      unit,
      ...baseline,
      ...(limit ? { limit } : {}),
    }];
  });
}

/** The flood, and what the same is without an agent: a machine may be too small for it. */
const FLOOD = "flood-2/opens_per_s";
const BARE = "bare-2/opens_per_s";

/** As many opens as the flood's processes can make where no program is attached. */
async function bareFlood(): Promise<Row> {
  const [, perSecond] = await load({ files: 10, processes: 2, rate: 0 });
  return {
    key: BARE,
    text: "a flood by 2 processes, 10 files, before there is an agent: opens",
    value: Math.round(perSecond),
    unit: "a second",
  };
}

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
async function load(
  { files, processes, rate }: Pick<Load, "files" | "processes" | "rate">,
): Promise<[opens: number, perSecond: number]> {
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

async function measure(agent: Deno.ChildProcess, wanted: Load): Promise<Measured> {
  {
    using state = new Pins(`${bpffs}/aegisbpf`).open();
    state.control.coalesceNs = wanted.hour ? COALESCE_NS * BigInt(seconds) / 3600n : COALESCE_NS;
  }
  const before = stats();
  await sleep(wanted.processes === 0 ? WARM_UP_MS : 1000);
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
  return {
    opens,
    opens_per_s: Math.round(perSecond),
    counters_off: after.audited - before.audited - opens || emitted - opens || unexplained,
    events_off: count - opens,
    untold: Math.max(0, opens - count - difference("dropped")),
    events,
    events_per_s: Math.round(events / seconds),
    loss_percent: opens === 0 ? 0 : difference("dropped") / emitted * 100,
    cpu_percent: cpuPercent,
    rss_mib: rss,
  };
}

/** Opens one file after the other, none opened before, and waits for the line of each in the recorder's file. */
async function latencies(): Promise<Row[]> {
  const taken: number[] = [];
  newEvents();
  for (let file = 0; file < LATENCIES; file++) {
    const started = performance.now();
    Deno.openSync(`${watched}/late${file}`).close();
    while (newEvents().events === 0 && performance.now() - started < 5000) await sleep(1);
    taken.push(performance.now() - started);
    // So that they do not all fall on the same moment of the agent's round.
    await sleep(file * 7 % 50);
  }
  taken.sort((a, b) => a - b);
  return [50, 99].map((percent) => ({
    key: `latency/p${percent}`,
    text: `from an open to its line in the recorder's file, ${percent} % of ${LATENCIES}`,
    value: taken[Math.ceil(LATENCIES * percent / 100) - 1] ?? NaN,
    unit: "ms",
  }));
}

useShippedLibbpf();
let status = 1;
Deno.mkdirSync(bpffs);
mount("bpf", bpffs, "bpf");
let agent: Deno.ChildProcess | undefined;
try {
  Deno.mkdirSync(watched);
  run("gcc", "-O2", "-o", opener, new URL("events.c", import.meta.url).pathname);
  for (let file = 0; file < 100_000; file++) Deno.writeTextFileSync(`${watched}/f${file}`, "");
  for (let file = 0; file < LATENCIES; file++) Deno.writeTextFileSync(`${watched}/late${file}`, "");
  const bare = await bareFlood();
  agent = await start();
  const rows = [bare, ...await latencies()];
  for (const wanted of LOADS) rows.push(...rowsOf(wanted, await measure(agent, wanted)));
  status = leave("events", rows, values.json);
} finally {
  lines[Symbol.dispose]();
  agent?.kill("SIGTERM");
  await agent?.status;
  new Deno.Command(values.agent, { args: ["detach", "--yes"], env, stdout: "null", stderr: "null" })
    .outputSync();
  unmount(bpffs);
  Deno.removeSync(root, { recursive: true });
}
Deno.exit(status);
