/**
 * The agent's side of the emergency stop: the control socket's requests, and the end that comes by itself.
 *
 * @module
 */
import type { Emergency } from "./emergency.ts";
import type { EmergencyChanged, EmergencyDisable, EmergencyView } from "./emergency_api.ts";

/** The emergency stop, for the control socket. */
export class EmergencyControl {
  readonly #emergency: Emergency;
  readonly #log: (line: string) => void;
  #wasActive = false;
  /** Why decisions are stopped, also where it could not be recorded. */
  #reason: string | undefined;

  constructor(emergency: Emergency, log: (line: string) => void) {
    this.#emergency = emergency;
    this.#log = log;
    this.#wasActive = emergency.isActive;
    if (!this.#wasActive) this.#noteExpiry();
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
    return { ...changed, reason: request.reason };
  }

  /** Lets decisions be enforced again. */
  enable(loginUid?: number): EmergencyChanged {
    const changed = this.#emergency.enable(loginUid);
    this.#wasActive = false;
    this.#reason = undefined;
    if (changed.was_active) this.#log("emergency: ended by command, decisions are enforced again");
    for (const warning of changed.warnings) this.#log(`emergency: ${warning}`);
    return changed;
  }

  /** Notes what ended by itself; to be called every second or so. */
  tick(): void {
    const { isActive } = this.#emergency;
    if (this.#wasActive && !isActive) this.#noteExpiry();
    if (!isActive) this.#reason = undefined;
    this.#wasActive = isActive;
  }

  #noteExpiry(): void {
    for (const line of this.#emergency.noteExpiry()) this.#log(`emergency: ${line}`);
  }
}
