/**
 * Faults of the agent and around it: a table of what health must say of each. During each a denied file is opened 20,000
 * times, and all the time besides; no open may succeed unless an emergency stop is on, and the kernel's counters must
 * have grown by exactly the opens that were made.
 */

import { mount, MountFlags, unmount } from "../../../ffi/libc.ts";
import { type Case, category, check, type Context, equal, Failure, type Setup } from "../guest/case.ts";

interface Fault {
  readonly name: string;
  /** Makes it, and waits until it is there. */
  readonly make: (t: Context) => void | Promise<void>;
  /** What `health` says then. */
  readonly posture: string;
  readonly exit: number;
  readonly mend?: (t: Context) => void | Promise<void>;
  /** What is opened, by the words of `act`; default: the denied file. */
  readonly opens?: (t: Context) => readonly string[];
  /** For how long it lasts at least, in milliseconds. */
  readonly lasts?: number;
  /** An emergency stop is on during a part of it: opens then succeed, and are counted as such. */
  readonly emergency?: boolean;
  /** How many opens that succeeded may be counted twice: see succession.ts. Default: none. */
  readonly twice?: number;
}

const POLICY = "/etc/aegisbpf/policy.yaml";
const STATE = "/var/lib/aegisbpf";
const PINS = "/sys/fs/bpf/aegisbpf";
const MS_REMOUNT = 32;
const OPENS = "20000";
/** More than the ring holds records of, which is 2950. */
const MANY = 3200;

/** Starts the agent as it is started after a crash: with nothing but what it kept. */
const again = (t: Context): Promise<void> => t.agent.start("--events", t.events.path);

const OF_THE_AGENT: readonly Fault[] = [
  { name: "none", make: () => {}, posture: "enforce", exit: 0 },
  {
    name: "a second agent is started",
    make: async (t) => void await t.agent.expect(3, "run", "--events", "off"),
    posture: "enforce",
    exit: 0,
  },
  {
    name: "a policy that is none is reloaded",
    make: (t) => reload(t, "rules: [", "reload refused"),
    posture: "enforce",
    exit: 0,
  },
  {
    name: "a good policy is reloaded",
    make: (t) => reload(t, Deno.readTextFileSync(t.writePolicy({})), "applied policy"),
    posture: "enforce",
    exit: 0,
  },
  { name: "the agent is killed", make: (t) => t.agent.kill(), posture: "enforce", exit: 1, mend: again },
  {
    name: "the agent is restarted",
    make: async (t) => {
      equal(await t.agent.stop(), 0, "the agent's exit status");
      await again(t);
    },
    posture: "enforce",
    exit: 0,
  },
];

const HANGING: readonly Fault[] = [
  {
    name: "the agent hangs for half a minute",
    make: (t) => Deno.kill(t.agent.pid, "SIGSTOP"),
    lasts: 30_000,
    posture: "enforce",
    exit: 1,
    mend: (t) => Deno.kill(t.agent.pid, "SIGCONT"),
  },
];

const OVERFLOWING: readonly Fault[] = [
  {
    name: "the ring overflows",
    make: (t) => Deno.kill(t.agent.pid, "SIGSTOP"),
    opens: (t) => ["open-next", `${t.dir()}/many/f`, String(MANY)],
    posture: "enforce",
    exit: 1,
    mend: async (t) => {
      Deno.kill(t.agent.pid, "SIGCONT");
      // It makes thousands of events now, and answers in between.
      const { code, health } = await t.agent.asked(60_000, "--require-enforce");
      equal(code, 0, `health once it goes on: ${JSON.stringify(health)}`);
      check((await counted(t)).dropped > 0, "the ring did not overflow");
    },
  },
];

const AROUND_IT: readonly Fault[] = [
  {
    name: "the state directory cannot be written",
    make: async (t) => {
      mount(STATE, STATE, "", MountFlags.Bind);
      mount("", STATE, "", MountFlags.Bind | MountFlags.ReadOnly | MS_REMOUNT);
      const { code } = await t.agent.run("policy", "apply", t.writePolicy({}));
      check(code !== 0, "a policy was applied that could not be kept");
    },
    posture: "enforce",
    exit: 0,
    mend: () => unmount(STATE),
  },
  {
    name: "the state directory's disk is full",
    make: async (t) => {
      mount("tmpfs", STATE, "tmpfs", 0, "size=8k,mode=0700");
      Deno.writeFileSync(`${STATE}/filler`, new Uint8Array(8192));
      const { code } = await t.agent.run("policy", "apply", t.writePolicy({}));
      check(code !== 0, "a policy was applied that could not be kept");
    },
    posture: "enforce",
    exit: 0,
    mend: () => unmount(STATE),
  },
  {
    name: "journald is stopped",
    make: async (t) => {
      await t.agent.kill();
      await t.agent.start("--events", "journal");
    },
    posture: "enforce",
    exit: 1,
  },
  {
    name: "nobody reads the events",
    make: async (t) => {
      await t.agent.kill();
      const fifo = `${t.dir()}/fifo`;
      check(new Deno.Command("mkfifo", { args: [fifo] }).outputSync().success, "mkfifo");
      await t.agent.start("--events", fifo);
    },
    posture: "enforce",
    exit: 0,
    mend: async (t) => {
      const before = performance.now();
      equal(await t.agent.stop(), 0, "the agent's exit status");
      check(performance.now() - before < 5000, "the end waited for a reader of events");
      await again(t);
    },
  },
];

const OF_EMERGENCIES: readonly Fault[] = [
  {
    name: "an emergency stop is on, and the agent dead",
    make: async (t) => {
      await t.agent.expect(0, "emergency", "disable", "--reason", "table of faults", "--for", "30s");
      await t.agent.kill();
    },
    emergency: true,
    posture: "off",
    exit: 1,
  },
  {
    name: "it ends with the agent dead",
    make: (t) => refusedAgain(t, 60_000),
    emergency: true,
    posture: "enforce",
    exit: 1,
    mend: again,
  },
];

const UPGRADES: readonly Fault[] = [
  {
    name: "the agent before had the previous schema",
    make: (t) => upgrade(t, ["flows_odd", "past"]),
    posture: "enforce",
    exit: 0,
  },
  {
    name: "the same, during an emergency stop",
    make: async (t) => {
      await t.agent.expect(0, "emergency", "disable", "--reason", "table of faults", "--for", "10m");
      // What the first upgrade carried over is in maps that schema 1 did not have.
      await upgrade(t, []);
      const { active, remaining_s } = await t.agent.json(0, "emergency", "status", "--json");
      equal(active, true, "the emergency stop after the upgrade");
      check(remaining_s > 300 && remaining_s <= 600, `its deadline is in ${remaining_s} s`);
    },
    emergency: true,
    twice: 3,
    posture: "off",
    exit: 1,
    mend: async (t) => void await t.agent.expect(0, "emergency", "enable"),
  },
];

/**
 * An upgrade: what is pinned becomes what schema 1 pinned, in the same layouts; then an agent starts.
 *
 * @param without Maps that are taken out of the pins: schema 1 counted flows in one map.
 */
async function upgrade(t: Context, without: readonly string[]): Promise<void> {
  const own = pinned();
  await t.agent.kill();
  Deno.renameSync(`${PINS}/${own}`, `${PINS}/schema-1`);
  for (const map of without) Deno.removeSync(`${PINS}/schema-1/map-${map}`);
  await again(t);
  equal(pinned(), own, "what is pinned");
}

function pinned(): string {
  return [...Deno.readDirSync(PINS)].map(({ name }) => name).join();
}

/** Bytes of the log, more than there are. */
const WHOLE = 1 << 24;

/** Has the agent read a policy file again; waits for what it says of it. */
async function reload(t: Context, policy: string, said: string): Promise<void> {
  const before = t.agent.log(WHOLE).length;
  Deno.mkdirSync("/etc/aegisbpf", { recursive: true, mode: 0o755 });
  Deno.writeTextFileSync(POLICY, policy, { mode: 0o600 });
  Deno.kill(t.agent.pid, "SIGHUP");
  await until(20_000, () => t.agent.log(WHOLE).slice(before).includes(said), `${said} is not in the log`);
  Deno.removeSync(POLICY);
}

async function refusedAgain(t: Context, within: number): Promise<void> {
  // Of a file of another rule, whose opens are not among those that are counted here.
  const refused = () => t.act.one("open-read", `${t.dir()}/probe`) === "EPERM";
  await until(within, refused, "the emergency stop goes on");
}

async function until(within: number, holds: () => boolean, otherwise: string): Promise<void> {
  for (const end = Date.now() + within; !holds();) {
    check(Date.now() < end, otherwise);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Asks until health says what it must: an emulated machine at its limit is late, and then health says no. */
async function saysIn(t: Context, { name, posture, exit }: Fault): Promise<void> {
  const end = Date.now() + 20_000;
  for (;;) {
    const { code, stdout } = await t.agent.run("health", "--json");
    const health = JSON.parse(stdout);
    if (code === exit && health.posture === posture) return;
    if (Date.now() > end) {
      equal(`${health.posture}, exit ${code}`, `${posture}, exit ${exit}`, `${name}: ${stdout}`);
    }
  }
}

function secret(t: Setup): string {
  return `${t.dir()}/secret`;
}

interface Counts {
  readonly denied: number;
  readonly audited: number;
}

/** What the kernel has counted of the case's rules. */
async function counted(t: Context): Promise<Counts & { readonly dropped: number }> {
  const { rows, events } = await t.agent.stats("rule");
  equal(events.emitted, events.delivered + events.coalesced + events.dropped, "emitted");
  const own = rows.filter(({ key }: { key: string }) => [t.ruleId(), t.ruleId("many")].includes(key));
  const sum = (action: string): number =>
    own.filter((row: { action: string }) => row.action === action)
      .reduce((all: number, { count }: { count: number }) => all + count, 0);
  return { denied: sum("deny"), audited: sum("audit"), dropped: events.dropped };
}

/** What opens came to: `ok=3 EPERM=7`. */
function tally(result: string): Counts {
  const counts: Record<string, number> = {};
  for (const part of result.split(" ")) {
    const [outcome = "", count] = part.split("=");
    check(["ok", "EPERM"].includes(outcome) && Number(count) > 0, `opens came to: ${result}`);
    counts[outcome] = Number(count);
  }
  return { denied: counts.EPERM ?? 0, audited: counts.ok ?? 0 };
}

/** Makes a fault, holds it against the table while the file is opened, and mends it; gives what opens came to. */
async function during(t: Context, fault: Fault): Promise<Counts[]> {
  const started = Date.now();
  using watch = t.act.repeat("open-read", secret(t));
  const results: string[] = [];
  try {
    await fault.make(t);
    await saysIn(t, fault);
    const opens = fault.opens?.(t) ?? ["open-read", secret(t)];
    results.push(await t.act.beside("--repeat", OPENS, ...opens));
    const left = (fault.lasts ?? 0) - (Date.now() - started);
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
  } finally {
    await fault.mend?.(t);
  }
  results.push(await watch.stop());
  const tallies = results.map(tally);
  if (!fault.emergency && tallies.some(({ audited }) => audited > 0)) {
    await t.agent.refusedAll(results.join("; "));
  }
  return tallies;
}

/** Tries faults one after the other; counts are held against each other whenever an agent is there to tell. */
async function hold(t: Context, table: readonly Fault[]): Promise<void> {
  let before: Counts = await counted(t);
  let made: Counts[] = [];
  for (const fault of table) {
    try {
      made.push(...await during(t, fault));
    } catch (error) {
      throw error instanceof Failure ? new Failure(`${fault.name}: ${error.message}`) : error;
    }
    if (!t.agent.runs) continue;
    const after = await counted(t);
    for (const key of ["denied", "audited"] as const) {
      const opens = made.reduce((all, counts) => all + counts[key], 0);
      const more = after[key] - before[key] - opens;
      const most = key === "audited" ? fault.twice ?? 0 : 0;
      check(
        more >= 0 && more <= most,
        `${fault.name}: ${opens} opens, of which ${more} more were counted as ${key}`,
      );
    }
    before = after;
    made = [];
  }
  if (before.denied === 0) throw new Failure("nothing was denied");
  await t.agent.health("--require-enforce");
}

const prepare = (t: Setup): void => {
  t.deny(t.file(secret(t)));
  t.deny(t.file(`${t.dir()}/probe`), { id: t.ruleId("probe") });
};

const one = { disruptive: true, prepare } as const;

// Each in one guest: what the kernel keeps without an agent is tried on all, see life.
export const faults: readonly Case[] = category("faults", [
  {
    ...one,
    name: "of the agent: killed, started, started twice, reloaded",
    kernels: ["6.12-none"],
    run: async (t) => {
      // Reloaded is what the agent is started with, or the file at its usual place.
      await t.agent.kill();
      await again(t);
      await hold(t, OF_THE_AGENT);
    },
  },
  {
    ...one,
    name: "an agent that hangs for 30 s",
    kernels: ["6.1-bpf"],
    run: (t) => hold(t, HANGING),
  },
  {
    ...one,
    name: "a ring that overflows",
    kernels: ["6.1-none"],
    prepare: (t) => {
      prepare(t);
      Deno.mkdirSync(`${t.dir()}/many`);
      for (let i = 0; i < MANY; i++) Deno.writeTextFileSync(`${t.dir()}/many/f${i}`, "");
      t.deny(`${t.dir()}/many/**`, { id: t.ruleId("many") });
    },
    run: (t) => hold(t, OVERFLOWING),
  },
  {
    ...one,
    name: "around it: no disk, no journald, nobody who reads events",
    kernels: ["5.10-none"],
    run: (t) => hold(t, AROUND_IT),
  },
  {
    ...one,
    name: "an emergency stop that ends with the agent dead",
    kernels: ["6.12-bpf"],
    run: (t) => hold(t, OF_EMERGENCIES),
  },
  {
    ...one,
    name: "an upgrade from the previous schema carries counts and an emergency stop",
    kernels: ["5.10-bpf"],
    run: (t) => hold(t, UPGRADES),
  },
]);
