/**
 * Tells systemd what the agent is doing; sd_notify(3). Where no service manager asked for it, nothing is sent.
 *
 * @module
 */
import { monotonicTimeNs } from "../../ffi/clock.ts";
import { SystemError } from "../../ffi/libc.ts";
import { DatagramSocket } from "../../ffi/unix_socket.ts";

/** The service manager that started the agent, if one did. */
export class ServiceManager {
  readonly #address: string | undefined;
  readonly #watched: boolean;
  #status = "";

  /** @param environment `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` as the manager set them. */
  constructor(environment: Readonly<Record<string, string | undefined>> = processEnvironment()) {
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = environment;
    this.#address = NOTIFY_SOCKET || undefined;
    const forUs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(Deno.pid);
    this.#watched = Number(WATCHDOG_USEC) > 0 && forUs;
  }

  /** The agent serves. */
  ready(status: string): void {
    this.#status = status;
    this.#send("READY=1", `STATUS=${status}`);
  }

  /** The policy is being read again; {@linkcode ready} ends it. */
  reloading(): void {
    // systemd takes a READY=1 for the end of this reload only if it can tell when that began.
    this.#send("RELOADING=1", `MONOTONIC_USEC=${monotonicTimeNs() / 1000n}`);
  }

  /** The agent is about to end. */
  stopping(): void {
    this.#send("STOPPING=1");
  }

  /** The agent's loop runs: call it at least every half of `WATCHDOG_USEC`. The status is sent when it has changed. */
  alive(status: string): void {
    const changed = status === this.#status ? [] : [`STATUS=${status}`];
    this.#status = status;
    if (this.#watched) this.#send("WATCHDOG=1", ...changed);
    else if (changed.length > 0) this.#send(...changed);
  }

  #send(...lines: readonly string[]): void {
    if (this.#address === undefined) return;
    try {
      using socket = new DatagramSocket(this.#address);
      socket.send(lines.join("\n"));
    } catch (error) {
      // The manager is restarting or its queue is full; the next one tells it.
      if (!(error instanceof SystemError)) throw error;
    }
  }
}

function processEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"].map((name) => [name, Deno.env.get(name)]),
  );
}
