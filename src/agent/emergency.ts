/**
 * The emergency stop, over the kernel's state and the record of it: the same for an agent and, where none runs, for the
 * command that opens the pins.
 *
 * @module
 */
import type { Control } from "../kernel/control.ts";
import { resumeDecisions, stopDecisions, stoppedForNs } from "../kernel/emergency.ts";
import type { EmergencyChanged, EmergencyDisable, EmergencyView } from "./emergency_api.ts";
import type { EmergencyEntry, EmergencyRecord } from "./emergency_record.ts";

/** What it works with. */
export interface EmergencyContext {
  readonly control: Pick<Control, "live" | "emergencyUntilNs" | "changeLive">;
  readonly record: EmergencyRecord;
  readonly via: EmergencyEntry["via"];
  /** Unix time in milliseconds. */
  readonly now?: () => number;
}

/** The emergency stop of one host. */
export class Emergency {
  readonly #context: EmergencyContext;

  constructor(context: EmergencyContext) {
    this.#context = context;
  }

  /** Whether nothing is refused now. */
  get isActive(): boolean {
    return stoppedForNs(this.#context.control) > 0n;
  }

  /** What is in force and why. */
  view(): EmergencyView {
    const { entries } = this.#context.record.read();
    const left = stoppedForNs(this.#context.control);
    const begun = entries.at(-1)?.action === "disable" ? entries.at(-1) : undefined;
    const until = new Date(this.#now + Number(left / 1_000_000n)).toISOString();
    return {
      active: left > 0n,
      reason: left > 0n ? begun?.reason ?? null : null,
      since: left > 0n ? begun?.at ?? null : null,
      until: left > 0n ? until : null,
      remaining_s: Math.ceil(Number(left) / 1e9),
      history: entries,
    };
  }

  /** Stops decisions, also where they are stopped: the time is the new one then. The reason and time are checked ones. */
  disable({ reason, for_s, login_uid }: EmergencyDisable): EmergencyChanged {
    const was = this.isActive;
    stopDecisions(this.#context.control, BigInt(for_s) * 1_000_000_000n);
    const until = new Date(this.#now + for_s * 1000).toISOString();
    return this.#changed(was, { action: "disable", reason, until }, login_uid);
  }

  /** Lets decisions be enforced again. */
  enable(login_uid?: number): EmergencyChanged {
    const was = this.isActive;
    resumeDecisions(this.#context.control);
    if (!was) return { ...this.view(), was_active: false, warnings: [] };
    return this.#changed(was, { action: "enable" }, login_uid);
  }

  /**
   * Writes down that an emergency stop ended by itself, at its time, if that is not written yet.
   *
   * @returns Lines for the log.
   */
  noteExpiry(): string[] {
    const { record, via } = this.#context;
    const { entries, notes } = record.read();
    const last = entries.at(-1);
    if (last?.action !== "disable" || this.isActive) return [...notes];
    const problem = record.add({ at: last.until ?? this.#time, action: "expired", via });
    return [
      ...notes,
      `the emergency stop (${last.reason}) has ended by itself`,
      ...(problem ? [problem] : []),
    ];
  }

  #changed(
    was: boolean,
    entry: Pick<EmergencyEntry, "action" | "reason" | "until">,
    login_uid: number | undefined,
  ): EmergencyChanged {
    const { record, via } = this.#context;
    const { notes } = record.read();
    const problem = record.add({
      at: this.#time,
      ...entry,
      ...(login_uid === undefined ? {} : { login_uid }),
      via,
    });
    return { ...this.view(), was_active: was, warnings: [...notes, ...(problem ? [problem] : [])] };
  }

  get #now(): number {
    return this.#context.now?.() ?? Date.now();
  }

  get #time(): string {
    return new Date(this.#now).toISOString();
  }
}
