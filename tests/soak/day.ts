/** A day of an agent: what happens to it, and what is written down. */

import type { Act, Repetition } from "../vm/guest/act.ts";
import type { Agent } from "../vm/guest/agent.ts";
import { Failure, type Guest } from "../vm/guest/case.ts";
import type { Diary, Sample } from "./guest.ts";
import { type Named, Places } from "./places.ts";
import { Told } from "./told.ts";

/** What a day needs. */
export interface DayOptions {
  readonly guest: Guest;
  readonly act: Act;
  /** The agent that runs, and another build of it. */
  readonly agents: readonly [Agent, Agent];
  readonly scratch: string;
}

const METRICS = "127.0.0.1:9464";
/** Decisions of one flood. */
const FLOOD = 3000;
/** 60,000 flows: more than are counted apart (`MAX_PAST_FLOWS`) and are in the kernel's map before it is emptied. */
const FILLS = 60;

/** One day. */
export class Day {
  readonly #options: DayOptions;
  readonly #places: Places;
  readonly #told: Told;
  readonly #done: Record<string, number> = {};
  readonly #leaks: Record<string, number> = {};
  readonly #problems: string[] = [];
  #running: Agent;
  #canary: Repetition | undefined;
  #refused = 0;
  /** Kernel's count and what events stood for when refusals began to be counted here. */
  #before = { counted: 0, told: 0 };
  #rounds = 0;

  constructor(options: DayOptions) {
    this.#options = options;
    this.#running = options.agents[0];
    this.#places = new Places(options.guest, options.act, options.scratch);
    this.#told = new Told(`${options.scratch}/events.jsonl`);
  }

  /** The agent that runs, or ran last. */
  get agent(): Agent {
    return this.#running;
  }

  /** Starts the agent, takes it through a change of schema, and begins to count: pins of another schema keep their counts. */
  async begin(): Promise<void> {
    await this.#start(0, "--policy", this.#places.policy());
    this.#watch();
    await this.#otherSchema();
    await this.#unwatch();
    await this.#quiet();
    this.#refused = 0;
    this.#before = { counted: await this.#counted(), told: this.#told.sum() };
    this.#watch();
  }

  /** Everything that ends an agent and begins the next. */
  async lives(): Promise<void> {
    const flood = this.#options.act.beside(
      "--repeat",
      String(FLOOD),
      "open-read",
      this.#places.path("flood"),
    );
    await this.agent.kill();
    await this.#start(0);
    this.#note("flood", await flood);
    this.#did("kills in a flood");
    await this.agent.stop();
    await this.#start(1);
    this.#did("upgrades");
    await this.agent.kill();
    this.#open("conf", "tree");
    await this.#start(0);
    this.#did("downgrades");
    await this.#healthy();
  }

  /**
   * Opens so many files from so many cgroups that all that the agent and the kernel keep of them is full: what grows after
   * that has no end.
   */
  fill(): void {
    for (let part = 0; part < FILLS; part++) {
      const results = this.#places.fill(part);
      this.#all("tree", results);
      this.#did("opens to fill what is kept", results.length);
    }
  }

  /** Rounds of all that happens under one agent, until so many milliseconds are over. */
  async rounds(ms: number): Promise<Sample[]> {
    const samples: Sample[] = [], begun = performance.now();
    while (performance.now() - begun < ms) {
      await this.#round(this.#rounds++);
      samples.push({ seconds: Math.round((performance.now() - begun) / 1000), ...await this.#needs() });
    }
    return samples;
  }

  /** Ends the day. */
  async end(): Promise<Omit<Diary, "kernel" | "minutes" | "samples">> {
    await this.#unwatch();
    await this.#toldAll();
    const { events } = await this.agent.json(0, "stats", "--json");
    return {
      ...{ backend: this.#options.guest.backend, rounds: this.#rounds, done: this.#done, leaks: this.#leaks },
      ...{ refused: this.#refused, counted: await this.#counted() - this.#before.counted },
      ...{ told: this.#told.sum() - this.#before.told, events, problems: this.#problems },
    };
  }

  async #round(round: number): Promise<void> {
    const places = this.#places;
    await this.#changePolicy(round);
    this.#all("conf", places.upgradePackage());
    this.#did("package upgrades");
    for (const { name, words, expected } of places.cgroupsComeAndGo(round)) {
      this.#all(name, this.#options.act.all(words), expected);
    }
    this.#did("cgroups", places.cgroupsPerRound);
    this.#all("tree", places.storm(`${round}`));
    this.#did("storms");
    this.#note("flood", this.#options.act.one("--repeat", String(FLOOD), "open-read", places.path("flood")));
    this.#did("floods");
    if (round % 4 === 0) await this.#healthy();
  }

  async #changePolicy(round: number): Promise<void> {
    const agent = this.agent;
    switch (round % 4) {
      case 0:
        await agent.expect(0, "policy", "apply", this.#places.policy());
        return this.#did("policies");
      case 1:
        // Nobody confirms.
        await agent.expect(0, "policy", "apply", "--confirm-within", "1s", this.#places.policy());
        await new Promise((done) => setTimeout(done, 2000));
        return this.#did("policies that were taken back");
      case 2:
        await agent.expect(0, "policy", "apply", this.#places.policy());
        await agent.expect(0, "policy", "rollback");
        return this.#did("rollbacks");
      default:
        await agent.expect(
          0,
          "deny",
          "add",
          this.#places.path("byHand"),
          "--ttl",
          "1m",
          "--id",
          `soak-${round}`,
        );
        this.#open("byHand");
        await agent.expect(0, "deny", "remove", `soak-${round}`);
        return this.#did("rules by hand");
    }
  }

  /** The pins become those of a schema that this build does not know. */
  async #otherSchema(): Promise<void> {
    const root = this.agent.pins;
    const own = [...Deno.readDirSync(root)].map(({ name }) => name);
    await this.agent.kill();
    Deno.renameSync(`${root}/${own[0]}`, `${root}/schema-0`);
    await this.#start(0);
    const left = [...Deno.readDirSync(root)].map(({ name }) => name);
    if (left.join() !== own.join()) this.#problems.push(`pinned after a change of schema: ${left}`);
    this.#did("changes of schema");
  }

  async #start(which: 0 | 1, ...args: string[]): Promise<void> {
    this.#running = this.#options.agents[which];
    await this.#running.start("--events", this.#told.path, "--record", "1M", "--metrics", METRICS, ...args);
  }

  async #healthy(): Promise<void> {
    const { code, health } = await this.agent.asked(60_000, "--require-enforce");
    if (code !== 0) this.#problems.push(`health: exit ${code}: ${JSON.stringify(health.reasons)}`);
  }

  #watch(): void {
    this.#canary = this.#options.act.repeat("open-read", this.#places.path("canary"));
  }

  async #unwatch(): Promise<void> {
    this.#note("canary", await this.#canary?.stop() ?? "no canary");
  }

  #open(...names: Named[]): void {
    for (const name of names) this.#note(name, this.#options.act.one("open-read", this.#places.path(name)));
  }

  #all(name: Named, results: readonly string[], expected = "EPERM"): void {
    for (const result of results) {
      if (expected === "EPERM") this.#note(name, result);
      else if (result !== expected) this.#problems.push(`${name}: ${expected} expected, got ${result}`);
    }
  }

  /** What opens of a denied file came to: `EPERM`, or `EPERM=3 ok=1`. */
  #note(name: Named, result: string): void {
    for (const part of result.split(" ")) {
      const [outcome = "", count = "1"] = part.split("=");
      if (outcome === "EPERM") this.#refused += Number(count);
      else if (outcome === "ok") this.#leaks[name] = (this.#leaks[name] ?? 0) + Number(count);
      else this.#problems.push(`${name}: ${result}`);
    }
  }

  #did(what: string, times = 1): void {
    this.#done[what] = (this.#done[what] ?? 0) + times;
  }

  /** Waits until events stand for all that was refused since the count began; what is missing after that is lost. */
  async #toldAll(): Promise<void> {
    for (const end = Date.now() + 60_000; this.#told.sum() - this.#before.told < this.#refused;) {
      if (Date.now() > end) return;
      await new Promise((done) => setTimeout(done, 500));
    }
    await this.#quiet();
  }

  /** Waits until no event has come for a while. */
  async #quiet(): Promise<void> {
    for (let before = -1; before !== this.#told.sum();) {
      before = this.#told.sum();
      await new Promise((done) => setTimeout(done, 5000));
    }
  }

  /** Decisions of the policy's rules: health has one of its own. */
  async #counted(): Promise<number> {
    const { rows } = await this.agent.json(0, "stats", "--by", "rule", "--json");
    return rows.filter(({ key }: { key: string }) => Told.isOurs(key)).reduce(
      (sum: number, { count }: { count: number }) => sum + count,
      0,
    );
  }

  async #needs(): Promise<Omit<Sample, "seconds">> {
    // Once the floods are written down.
    await new Promise((done) => setTimeout(done, 1000));
    const status = Deno.readTextFileSync(`/proc/${this.agent.pid}/status`);
    const response = await fetch(`http://${METRICS}/metrics`);
    const maps = (await response.text()).matchAll(/^aegisbpf_kernel_memory_bytes\{.*\} (\S+)$/gm);
    const of = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)?.[1]);
    const [rss, file] = [of("VmRSS"), of("RssFile")];
    if (!(rss > file)) throw new Failure(`no resident memory in ${status}`);
    return { rss, own: rss - file, maps: [...maps].reduce((sum, [, bytes]) => sum + Number(bytes), 0) };
  }
}
