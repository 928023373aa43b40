/**
 * The agent's side of the emergency stop: the control socket's requests, and the end that comes by itself.
 *
 * @module
 */
import type { Emergency } from "./emergency.ts";
import type { EmergencyChanged, EmergencyDisable, EmergencyView } from "./emergency_api.ts";
import type { EmergencyEntry } from "./emergency_record.ts";
import type { History } from "./history.ts";

/** How it reaches the rest of the agent. */
export interface EmergencyOutlets {
  readonly history: Pick<History, "entries" | "append">;
  readonly log: (line: string) => void;
}

/** The emergency stop, for the control socket. */
export class EmergencyControl {
  readonly #emergency: Emergency;
  readonly #history: EmergencyOutlets["history"];
  readonly #log: (line: string) => void;
  #wasActive = false;
  /** Why decisions are stopped, also where it could not be recorded. */
  #reason: string | undefined;

  /** Notes what happened while no agent ran. */
  constructor(emergency: Emergency, { history, log }: EmergencyOutlets) {
    this.#emergency = emergency;
    this.#history = history;
    this.#log = log;
    this.#wasActive = emergency.isActive;
    if (!this.#wasActive) this.#noteExpiry();
    this.#addToHistory();
  }

  /** What is in force and why. */
  view(): EmergencyView {
    const view = this.#emergency.view();
    return view.active ? { ...view, reason: this.#reason ?? view.reason } : view;
  }

  /** Stops decisions. */
  disable(request: EmergencyDisable): EmergencyChanged {
    const changed = this.#emergency.disable(request);
    this.#wasActive = true;
    this.#reason = request.reason;
    this.#log(`EMERGENCY: nothing is refused until ${changed.until}: ${request.reason}`);
    for (const warning of changed.warnings) this.#log(`emergency: ${warning}`);
    this.#addToHistory();
    return { ...changed, reason: request.reason };
  }

  /** Lets decisions be enforced again. */
  enable(loginUid?: number): EmergencyChanged {
    const changed = this.#emergency.enable(loginUid);
    this.#wasActive = false;
    this.#reason = undefined;
    if (changed.was_active) this.#log("emergency: ended by command, decisions are enforced again");
    for (const warning of changed.warnings) this.#log(`emergency: ${warning}`);
    this.#addToHistory();
    return changed;
  }

  /** Notes what ended by itself; to be called every second or so. */
  tick(): void {
    const { isActive } = this.#emergency;
    if (this.#wasActive && !isActive) this.#noteExpiry();
    if (this.#wasActive !== isActive) this.#addToHistory();
    if (!isActive) this.#reason = undefined;
    this.#wasActive = isActive;
  }

  /** What is recorded and is not in the history yet: commands record without an agent too. */
  #addToHistory(): void {
    const known = new Set(this.#history.entries.map(({ reason }) => reason));
    for (const entry of this.#emergency.view().history) {
      const reason = entryText(entry);
      if (!known.has(reason)) this.#history.append({ what: "emergency", result: "done", reason });
    }
  }

  #noteExpiry(): void {
    for (const line of this.#emergency.noteExpiry()) this.#log(`emergency: ${line}`);
  }
}

/** An entry in one line; its time makes it unique. */
function entryText({ at, action, reason, until, login_uid, via }: EmergencyEntry): string {
  const parts = [
    `${action} at ${at}`,
    ...(until === undefined ? [] : [`until ${until}`]),
    ...(login_uid === undefined ? [] : [`by uid ${login_uid}`]),
    ...(via === "pins" ? ["without an agent"] : []),
  ];
  return `${parts.join(", ")}${reason === undefined ? "" : `: ${reason}`}`;
}
