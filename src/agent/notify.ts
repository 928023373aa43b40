/**
 * Tells systemd what the agent is doing; sd_notify(3).
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { DatagramSocket } from "../../ffi/unix_socket.ts";

/** Sends a message such as `READY=1` where the service manager asked for it; elsewhere does nothing. */
export function notifySystemd(message: string): void {
  const address = Deno.env.get("NOTIFY_SOCKET");
  if (!address) return;
  try {
    using socket = new DatagramSocket(address);
    socket.send(message);
  } catch (error) {
    // The manager is restarting or its queue is full; it asks again by the watchdog.
    if (!(error instanceof SystemError)) throw error;
  }
}
