/** Reads the agent's event file, one JSON object a line, as it grows. */

import { Failure } from "./case.ts";

/** The part of an event that cases look at. */
export interface Event {
  readonly action: string;
  readonly op: string;
  readonly rule: string;
  readonly count: number;
  readonly backend: string;
  readonly ret: number;
  readonly file: {
    readonly path: string;
    readonly dev: string;
    readonly ino: number;
    readonly path_source?: string;
  };
  readonly process: {
    readonly pid: number;
    readonly uid: number;
    readonly comm: string;
    readonly exe: string;
    readonly cgroup: { readonly id: number | string; readonly path: string };
  };
  readonly [key: string]: unknown;
}

/** The part of an event about the agent itself that cases look at. */
export interface StateEvent {
  readonly code: string;
  readonly state: "begin" | "end";
  readonly posture: string;
}

/** The actions of events that stand for decisions; others tell of the rules themselves. */
const DECISIONS = ["deny", "audit"];

/** The events of one agent. */
export class EventLog {
  #seen: Event[] = [];
  readonly #states: StateEvent[] = [];
  #offset = 0;
  #rest = "";

  /** @param path The file given to `run --events` */
  constructor(readonly path: string) {}

  /** Every event written so far. */
  all(): readonly Event[] {
    this.#read();
    return this.#seen;
  }

  /** What the agent has said of itself so far. */
  states(): readonly StateEvent[] {
    this.#read();
    return this.#states;
  }

  /** How many decisions the events of a rule stand for so far. */
  decisions(rule: string): number {
    return this.#of(rule).reduce((sum, event) => sum + event.count, 0);
  }

  /**
   * Waits until the events of a rule stand for at least `decisions` decisions. Other events of it are left out.
   *
   * @param within Milliseconds to wait; default 15,000
   * @returns all of the rule's decisions
   * @throws {Failure} when they do not come
   */
  async of(rule: string, decisions = 1, within = 15_000): Promise<Event[]> {
    const end = Date.now() + within;
    for (;;) {
      this.#read();
      if (this.decisions(rule) >= decisions) return this.#of(rule);
      if (Date.now() > end) {
        throw new Failure(
          `events of rule ${rule}: ${decisions} decisions expected within ${within} ms, got ${
            this.decisions(rule)
          }`,
        );
      }
      await new Promise((done) => setTimeout(done, 25));
    }
  }

  #of(rule: string): Event[] {
    return this.#seen.filter((event) => event.rule === rule && DECISIONS.includes(event.action));
  }

  #read(): void {
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(this.path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    using open = file;
    const size = open.statSync().size;
    if (size <= this.#offset) return;
    open.seekSync(this.#offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(size - this.#offset);
    const n = open.readSync(bytes) ?? 0;
    this.#offset += n;
    const lines = (this.#rest + new TextDecoder().decode(bytes.subarray(0, n))).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = JSON.parse(line);
      // What the agent says of itself is about no file and no rule.
      if (event.action === "state") this.#states.push(event);
      else this.#seen.push(event);
    }
  }
}
