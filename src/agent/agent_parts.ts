/**
 * What `run` makes an agent of.
 *
 * @module
 */
import type { BroughtUp } from "../kernel/bring_up.ts";
import type { Pins } from "../kernel/pins.ts";
import type { ApplyMetrics } from "../metrics/apply_metrics.ts";
import type { Mode } from "../policy/model.ts";
import type { Agent } from "./agent.ts";
import type { EventOutlets } from "./event_outlets.ts";
import type { HandRules } from "./hand_rules.ts";
import type { Locations } from "./locations.ts";
import type { PolicyStore } from "./policy_store.ts";
import type { Provenance } from "./provenance.ts";
import type { Succession } from "./succession.ts";

/** What an agent is made of. */
export interface AgentParts {
  readonly up: BroughtUp;
  readonly pins: Pins;
  readonly store: PolicyStore;
  readonly locations: Locations;
  readonly version: string;
  readonly mode?: Mode;
  /** Rules by hand; by default those that are kept. */
  readonly hand?: HandRules;
  /** Judges who may write policy; by default everybody. */
  readonly provenance?: Provenance;
  /** Take each event. */
  readonly outlets: EventOutlets;
  /** What an agent of another schema left in the kernel, which counts until this agent's policy is in force. */
  readonly succession?: Succession | undefined;
  /** Takes each line for the log. */
  readonly log: (line: string) => void;
  /** Called about every second, from the loop that takes the records. */
  readonly alive?: ((agent: Agent) => void) | undefined;
  /** Counts policies that are applied. */
  readonly applies?: Pick<ApplyMetrics, "observe"> | undefined;
}
