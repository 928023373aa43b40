/**
 * Says once that a degradation begins, and once that it ends: a line in the log and an event each.
 *
 * @module
 */
import type { EventPolicy } from "../events/event.ts";
import { type StateEvent, stateEventOf, stateMessage } from "../events/state_event.ts";
import type { HealthReport } from "./api.ts";
import { type Degradation, type DegradationCode, DEGRADATIONS } from "./degradation.ts";

/** How it reaches the rest of the agent. */
export interface DegradationContext {
  readonly health: () => HealthReport;
  /** The policy in force, for events. */
  readonly policy: () => EventPolicy;
  /** Changes when it is worth looking at once. */
  readonly hint: () => string;
  readonly emit: (event: StateEvent) => void;
  readonly log: (line: string) => void;
}

/** What is known to lower what the host gets. */
export class DegradationLog {
  readonly #context: DegradationContext;
  readonly #known = new Map<DegradationCode, Degradation>();
  #lookAt = 0;
  #hint = "";

  constructor(context: DegradationContext) {
    this.#context = context;
  }

  /** What holds as of the last look, for metrics. */
  get present(): readonly Degradation[] {
    return [...this.#known.values()];
  }

  /** Looks, if it is time to or something has changed; to be called every second or so. */
  tick(): void {
    const hint = this.#context.hint();
    if (performance.now() < this.#lookAt && hint === this.#hint) return;
    this.#hint = hint;
    this.look();
  }

  /** Looks now; says what begins and what has ended. */
  look(): void {
    this.#lookAt = performance.now() + LOOK_MS;
    const report = this.#context.health();
    const now = merged(report.degradations ?? []);
    for (const [code, known] of this.#known) {
      if (now.has(code)) continue;
      this.#known.delete(code);
      this.#say("end", known, report);
    }
    for (const [code, degradation] of now) {
      const isNew = !this.#known.has(code);
      this.#known.set(code, degradation);
      if (isNew) this.#say("begin", degradation, report);
    }
  }

  #say(state: "begin" | "end", { code, detail }: Degradation, { posture, backend }: HealthReport): void {
    const severity = DEGRADATIONS[code];
    const policy = this.#context.policy();
    const event = stateEventOf({
      code,
      state,
      severity,
      detail,
      posture,
      policy,
      backend: backend ?? "unknown",
    });
    this.#context.log(stateMessage(event));
    this.#context.emit(event);
  }
}

/** A look opens the canary and asks of every link; what is not told by a hint may be found this much later. */
const LOOK_MS = 10_000;

/** One for each code. */
function merged(list: readonly Degradation[]): Map<DegradationCode, Degradation> {
  const found = new Map<DegradationCode, Degradation>();
  for (const { code, detail } of list) {
    const before = found.get(code);
    found.set(code, { code, detail: before ? `${before.detail}; ${detail}` : detail });
  }
  return found;
}
