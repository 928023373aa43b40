/**
 * The agent's metrics as Prometheus text. Each scrape fills a registry of its own, so that a series whose rule or map is
 * gone is gone at once. No label is a path or a pid.
 *
 * @module
 */
import { Counter, type CounterConfiguration, Gauge, type GaugeConfiguration, Registry } from "prom-client";
import type { ApplyMetrics } from "./apply_metrics.ts";
import type { KernelReading } from "./kernel_reading.ts";

/** What the kernel does not know. */
export interface AgentFacts {
  readonly version: string;
  readonly posture: string;
  readonly postures: readonly string[];
  readonly backend: string;
  /** Steps down from what the policy asks for. */
  readonly degradations: readonly { readonly code: string; readonly severity: string }[];
  /** Events that were made and could not be written, by where they were to go and why. */
  readonly unwritten: readonly { readonly sink: string; readonly reason: string; readonly count: number }[];
  readonly policy: {
    readonly name: string;
    readonly serial: number;
    readonly sha256: string;
    readonly rules: number;
    readonly waiting: number;
  } | undefined;
  readonly ruleName: (rule: number) => string;
  readonly opName: (op: number) => string;
  readonly actionName: (action: number) => string;
}

/** `Content-Type` of the text. */
export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** The text of one scrape. */
export function metricsText(
  kernel: KernelReading,
  facts: AgentFacts,
  applies: ApplyMetrics,
): Promise<string> {
  const registry = new Registry();
  const add = new Adder(registry);
  addFacts(add, facts);
  addDecisions(add, kernel, facts);
  addEvents(add, kernel, facts);
  addMaps(add, kernel);
  if (kernel.programs.length > 0) {
    const seconds = add.counter("hook_runtime_seconds_total", "Time in which a program ran.", ["program"]);
    for (const reading of kernel.programs) seconds.inc({ program: reading.program }, reading.seconds);
  }
  add.gauge("heartbeat_timestamp_seconds", "When the agent last beat its heart, Unix time.").set(
    kernel.heartbeat,
  );
  registry.registerMetric(applies.counter);
  registry.registerMetric(applies.histogram);
  return registry.metrics();
}

class Adder {
  readonly #registers: [Registry];

  constructor(registry: Registry) {
    this.#registers = [registry];
  }

  gauge<const Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Gauge<Label> {
    return new Gauge(this.#configuration(name, help, labelNames) as GaugeConfiguration<Label>);
  }

  counter<const Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> {
    return new Counter(this.#configuration(name, help, labelNames) as CounterConfiguration<Label>);
  }

  #configuration(name: string, help: string, labelNames: readonly string[]): object {
    return { name: `aegisbpf_${name}`, help, labelNames: [...labelNames], registers: this.#registers };
  }
}

function addFacts(add: Adder, facts: AgentFacts): void {
  const { version, posture, postures, backend, degradations, policy } = facts;
  add.gauge("build_info", "The agent's version.", ["version"]).set({ version }, 1);
  const is = add.gauge(
    "posture",
    "What the host gets right now: 1 for the posture that holds, 0 for the others.",
    [
      "posture",
    ],
  );
  for (const name of postures) is.set({ posture: name }, name === posture ? 1 : 0);
  add.gauge("backend_info", "How decisions reach the kernel.", ["backend"]).set({ backend }, 1);
  const down = add.gauge("degradation", "Steps down from what the policy asks for, by reason code.", [
    "code",
    "severity",
  ]);
  for (const { code, severity } of degradations) down.set({ code, severity }, 1);
  const info = add.gauge("policy_info", "The policy in force.", ["name", "serial", "sha256"]);
  if (policy) info.set({ name: policy.name, serial: String(policy.serial), sha256: policy.sha256 }, 1);
  add.gauge("policy_rules", "Rules of the policy in force.").set(policy?.rules ?? 0);
  add.gauge("policy_waiting_paths", "Paths of rules at which nothing stands yet.").set(policy?.waiting ?? 0);
}

/** Series at most; the counts of further rules are added up under {@linkcode OTHER_RULES}. */
const MAX_DECISION_SERIES = 10_000;
/** No rule can have this id. */
const OTHER_RULES = "(other)";

function addDecisions(add: Adder, { decisions }: KernelReading, facts: AgentFacts): void {
  const total = add.counter("decisions_total", "Operations that were denied, or only reported, by rule.", [
    "rule",
    "op",
    "action",
  ]);
  // Numbers are given in the order in which rules are first seen, so that a series stays where it is.
  const sorted = decisions.toSorted((one, other) => one.rule - other.rule);
  for (const [index, { rule, op, action, count }] of sorted.entries()) {
    const name = index < MAX_DECISION_SERIES ? facts.ruleName(rule) : OTHER_RULES;
    total.inc({ rule: name, op: facts.opName(op), action: facts.actionName(action) }, Number(count));
  }
}

function addEvents(add: Adder, { counters }: KernelReading, { unwritten }: AgentFacts): void {
  const event = (name: string, help: string) => add.counter(`events_${name}_total`, help);
  event("emitted", "Decisions that were to be reported: delivered, coalesced and dropped together.")
    .inc(Number(counters.EMITTED));
  event("delivered", "Records that reached the agent.").inc(Number(counters.DELIVERED));
  event("coalesced", "Decisions that another record stands for.").inc(Number(counters.COALESCED));
  add.counter("events_dropped_total", "Records that were lost; their decisions are counted all the same.", [
    "reason",
  ])
    .inc({ reason: "ring_full" }, Number(counters.DROPPED_RING_FULL));
  const lost = add.counter(
    "events_unwritten_total",
    "Events that could not be written, since the agent started, by outlet (events, recorder) and reason.",
    ["sink", "reason"],
  );
  for (const { sink, reason, count } of unwritten) lost.inc({ sink, reason }, count);
}

function addMaps(add: Adder, { maps }: KernelReading): void {
  const entries = add.gauge("map_entries", "Entries of a map; of the sets, those of the set in force.", [
    "map",
  ]);
  const room = add.gauge("map_max_entries", "Entries that a map has room for.", ["map"]);
  const memory = add.gauge("kernel_memory_bytes", "Memory that the kernel charges for a map.", ["map"]);
  for (const { map, entries: count, maxEntries, bytes } of maps) {
    if (count !== undefined) entries.set({ map }, count);
    if (maxEntries !== undefined) room.set({ map }, maxEntries);
    if (bytes !== undefined) memory.set({ map }, bytes);
  }
}
