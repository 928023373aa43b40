/**
 * A model of a fleet: what a policy that breaks services reaches before its rollout stops, how many events and how many
 * Prometheus series there are. docs/fleet.md shows what it prints, and docs/docs_test.ts compares the two.
 *
 *   scripts/deno run --allow-read --allow-env scripts/fleet-model.ts
 *
 * It is arithmetic on the assumptions below and a draw by a fixed seed, not a measurement. Taken from the code are the series
 * of a scrape and the format of an event.
 *
 * @module
 */
import { POSTURES } from "../src/agent/api.ts";
import { eventSchema } from "../src/events/schema.ts";
import { ACTION } from "../src/kernel/layout.ts";
import { MAP_NAMES } from "../src/kernel/state.ts";
import { ApplyMetrics } from "../src/metrics/apply_metrics.ts";
import { metricsText } from "../src/metrics/exposition.ts";
import { DEFAULT_OPERATIONS } from "../src/policy/operations.ts";
import { Random } from "../src/policy/testing.ts";

/** What is assumed of the fleet. */
const FLEET = {
  hosts: 100_000,
  /** Share of the hosts that have the policy after each wave. */
  waves: [0.001, 0.01, 0.1, 0.5, 1],
  /** Minutes: hosts ask for policy this often, each at a moment of its own. */
  pull: 15,
  /** Minutes until an unconfirmed policy is taken back, and until the next wave may begin. */
  confirmWithin: 10,
  watch: 60,
  /** A wave of which more than this share took the policy back is the last. */
  stopAbove: 0.005,
  /** Chance that a host's own check sees a service that the policy broke. */
  seen: 0.8,
  /** Seconds between scrapes. */
  scrape: 30,
  /** Denials a day on an ordinary host, each an event of its own. */
  denialsADay: 100,
  /** Share of hosts with something that runs against a rule all the time, and how many flows it makes. */
  noisy: 0.001,
  noisyFlows: 20,
} as const;

/** Maps of which a scrape tells the size alone. */
const UNCOUNTED: readonly string[] = ["counters", "records", ".bss.state"];

const SECONDS_A_DAY = 86_400;

/** An event with names of ordinary length. */
const EVENT = JSON.stringify(eventSchema.parse({
  ...{ v: 1, id: "4r097sdl1-1c8", time: "2026-01-31T12:00:00.123456789Z", action: "deny", op: "read" },
  rule: "tls-keys",
  policy: { name: "web-tier", serial: 42, sha256: "0".repeat(64) },
  file: {
    path: "/etc/ssl/private/web.key",
    path_source: "kernel",
    dev: "259:2",
    ino: 1_311_074,
    gen: 3_823_927,
  },
  process: {
    ...{ pid: 48_213, ppid: 48_200, uid: 33, gid: 33, comm: "php-fpm8.2", exe: "/usr/sbin/php-fpm8.2" },
    start_ns: 8_123_456_789_012,
    cgroup: { id: 5123, path: "/system.slice/php8.2-fpm.service" },
  },
  ...{ backend: "lsm", count: 1, ret: -1 },
}));

/** Series of one host's scrape where every rule has denied every default operation: the most there can be of them. */
async function series(rules: number): Promise<number> {
  const zero = new Proxy({}, { get: () => 0n });
  const text = await metricsText(
    {
      counters: zero as Parameters<typeof metricsText>[0]["counters"],
      decisions: Array.from(
        { length: rules },
        (_, rule) => DEFAULT_OPERATIONS.map((_, op) => ({ rule, op, action: ACTION.DENY, count: 1n })),
      ).flat(),
      heartbeat: 0,
      maps: MAP_NAMES.map((map) =>
        UNCOUNTED.includes(map) ? { map, bytes: 1 } : { map, bytes: 1, entries: 1, maxEntries: 1 }
      ),
      programs: [],
    },
    {
      ...{ version: "1.0.0", posture: "enforce", postures: POSTURES, backend: "lsm", degradations: [] },
      unwritten: [],
      policy: { name: "web-tier", serial: 42, sha256: "0".repeat(64), rules, waiting: 0 },
      ...{
        ruleName: (rule: number) => `r${rule}`,
        opName: (op: number) => `o${op}`,
        actionName: () => "deny",
      },
    },
    new ApplyMetrics(),
  );
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
}

/** What became of a rollout. */
interface Outcome {
  readonly wave: number;
  readonly hosts: number;
  readonly took: number;
  readonly back: number;
  readonly broken: number;
  readonly minutes: number;
  readonly isStopped: boolean;
}

/** Rolls out a policy that breaks a service on a share of the hosts. */
function rollout(breaks: number, random: Random): Outcome {
  const chance = (of: number) => random.below(1_000_000) < of * 1_000_000;
  let [took, back, broken, minutes] = [0, 0, 0, 0];
  for (const [index, share] of FLEET.waves.entries()) {
    const hosts = Math.round(FLEET.hosts * share) - took;
    let failed = 0;
    for (let host = 0; host < hosts; host++) {
      if (!chance(breaks)) continue;
      if (chance(FLEET.seen)) failed++;
      else broken++;
    }
    took += hosts;
    back += failed;
    minutes += FLEET.pull + FLEET.confirmWithin;
    const isStopped = failed > hosts * FLEET.stopAbove;
    if (isStopped || index === FLEET.waves.length - 1) {
      return { wave: index + 1, hosts: FLEET.hosts, took, back, broken, minutes, isStopped };
    }
    minutes += FLEET.watch;
  }
  throw new RangeError("Expected at least one wave");
}

const number = (value: number) => Math.round(value).toLocaleString("en-US");
const line = (...cells: readonly string[]) =>
  console.log(
    cells.map((cell, index) => index === 0 ? cell.padEnd(26) : cell.padStart(14)).join("").trimEnd(),
  );

line("breaks a service on", "last wave", "had it", "took back", "broken", "minutes");
const random = new Random(1);
for (const breaks of [0, 0.001, 0.005, 0.01, 0.1, 1]) {
  const { wave, took, back, broken, minutes, isStopped } = rollout(breaks, random);
  const last = `${wave} of ${FLEET.waves.length}${isStopped ? "" : " *"}`;
  line(`${breaks * 100} % of hosts`, last, number(took), number(back), number(broken), number(minutes));
}
console.log("* not stopped: every host has it\n");

line("rules of each host", "series", "of the fleet", "samples/s");
for (const rules of [0, 10, 100, 1000]) {
  const count = await series(rules);
  const fleet = count * FLEET.hosts;
  line(number(rules), number(count), number(fleet), number(fleet / FLEET.scrape));
}
console.log();

const ordinary = FLEET.hosts * FLEET.denialsADay / SECONDS_A_DAY;
const noisy = FLEET.hosts * FLEET.noisy * FLEET.noisyFlows;
line("events", "a second", "GB a day");
for (const [who, rate] of [["ordinary denials", ordinary], ["noisy hosts, at most", noisy]] as const) {
  line(who, number(rate), (rate * SECONDS_A_DAY * (EVENT.length + 1) / 1e9).toFixed(1));
}
console.log(`an event of ${EVENT.length + 1} bytes`);
