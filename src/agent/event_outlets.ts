/**
 * All that takes events, as one: each event becomes text once, and health hears of what was lost.
 *
 * @module
 */
import type { AgentEvent } from "../events/state_event.ts";
import type { HealthCheck } from "./api.ts";
import type { EventSink } from "./event_sink.ts";

/** The sinks of one agent. */
export class EventOutlets {
  readonly #sinks: readonly EventSink[];

  /** @param sinks Undefined ones are off. */
  constructor(sinks: readonly (EventSink | undefined)[]) {
    this.#sinks = sinks.filter((sink) => sink !== undefined);
  }

  /** Hands an event to each. */
  emit(event: AgentEvent): void {
    if (this.#sinks.length === 0) return;
    const line = JSON.stringify(event);
    for (const sink of this.#sinks) sink.emit(event, line);
  }

  /** One check a sink: it fails while events are lost there. What was lost earlier is told. */
  checks(): HealthCheck[] {
    return this.#sinks.map(({ name, where, drops, failure }) => ({
      name,
      ok: failure === undefined,
      detail: `${where}${failure === undefined ? "" : `: ${failure}`}${lost(drops.entries())}`,
    }));
  }

  /** Events that a sink lost, by sink and reason. */
  drops(): { readonly sink: string; readonly reason: string; readonly count: number }[] {
    return this.#sinks.flatMap(({ name, drops }) =>
      drops.entries().map(([reason, count]) => ({ sink: name, reason, count }))
    );
  }

  /**
   * Writes what is still waiting, for at most `timeoutMs`.
   *
   * @returns A line for each sink that took less than there was, which is dropped.
   */
  async close(timeoutMs: number): Promise<string[]> {
    const before = this.#sinks.map(({ drops }) => drops.total);
    await Promise.all(this.#sinks.map((sink) => sink.close(timeoutMs)));
    return this.#sinks.flatMap(({ name, where, drops }, index) => {
      const left = drops.total - (before[index] ?? 0);
      return left === 0 ? [] : [`${name}: ${left} events were not written to ${where} at the end`];
    });
  }
}

function lost(entries: readonly (readonly [reason: string, count: number])[]): string {
  if (entries.length === 0) return "";
  return `; not written: ${entries.map(([reason, count]) => `${count} (${reason})`).join(", ")}`;
}
