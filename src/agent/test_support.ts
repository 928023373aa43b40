/**
 * What the tests of the agent share: an installation in a temporary folder over the real kernel side, under the
 * `tracepoint` backend.
 *
 * @module
 */
import type { DecisionEvent } from "../events/event.ts";
import type { BroughtUp } from "../kernel/bring_up.ts";
import { isStateEvent, type StateEvent } from "../events/state_event.ts";
import { TestKernel } from "../kernel/test_support.ts";
import type { Mode } from "../policy/model.ts";
import type { EventSink } from "./event_sink.ts";
import { Drops } from "./line_writer.ts";
import { type Locations, locations } from "./locations.ts";
import { PolicyEngine } from "./policy_engine.ts";
import { PolicyStore } from "./policy_store.ts";
import { Refusal } from "./refusal.ts";

/** An installation whose kernel side is loaded and pinned. */
export class TestInstallation extends TestKernel {
  readonly places: Locations = {
    ...locations({ AEGISBPF_ROOT: this.folder, AEGISBPF_BPFFS: this.bpffs.path }),
    canary: this.canary,
  };
  readonly store: PolicyStore = new PolicyStore(this.places.state);

  constructor() {
    super();
    Deno.mkdirSync(this.places.run, { recursive: true });
    this.pins.create(this.state, "00".repeat(32));
  }

  /** An engine over it, as a new agent has it. */
  engine(mode?: Mode): PolicyEngine {
    return new PolicyEngine({
      state: this.state,
      pins: this.pins,
      store: this.store,
      locations: this.places,
      ...(mode === undefined ? {} : { mode }),
    });
  }

  /** As what an agent brought up. */
  get up(): BroughtUp {
    return { state: this.state, origin: "created", rejected: [], notes: [] };
  }
}

/** A sink that keeps events in a list, and what the agent says of itself in another. */
export function keepIn(events: DecisionEvent[], states: StateEvent[] = []): EventSink {
  return {
    name: "events",
    where: "a list",
    drops: new Drops(),
    failure: undefined,
    emit: (event) => {
      if (isStateEvent(event)) states.push(event);
      else events.push(event);
    },
    close: () => Promise.resolve(),
  };
}

/** A policy of one rule over these paths, as bytes. */
export function policyBytes(
  { serial = 1, paths, mode = "audit", name = "test" }: {
    readonly serial?: number;
    readonly paths: readonly string[];
    readonly mode?: Mode;
    readonly name?: string;
  },
): Uint8Array<ArrayBuffer> {
  const rules = `rules:\n  - id: watched\n    paths: ${JSON.stringify(paths)}\n    deny: [read]\n`;
  return new TextEncoder().encode(`version: 1\nname: ${name}\nserial: ${serial}\nmode: ${mode}\n${rules}`);
}

/** The refusal that an action ends with. */
export function refusalOf(action: () => unknown): Refusal {
  try {
    action();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error("Expected a refusal");
}
