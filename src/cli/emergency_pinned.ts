/**
 * The emergency stop where no agent answers: the kernel's state is shared memory, and whoever may open the pins may
 * store into it.
 *
 * @module
 */
import { SystemError } from "../../ffi/errno.ts";
import { LibbpfError } from "../../ffi/library.ts";
import { Emergency } from "../agent/emergency.ts";
import { EmergencyRecord } from "../agent/emergency_record.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import type { Locations } from "../agent/locations.ts";
import { Pins } from "../kernel/pins.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";
import type { AgentError } from "./client.ts";
import { CommandError } from "./failure.ts";

/**
 * Does something with the emergency stop of what is pinned.
 *
 * @param why Why the agent was not asked.
 * @throws {CommandError} 1 if nothing is pinned, 2 if what is pinned cannot be changed.
 */
export function withPinnedEmergency<Answer>(
  { pins: root, state }: Pick<Locations, "pins" | "state">,
  why: AgentError,
  act: (emergency: Emergency) => Answer,
): Answer {
  try {
    useShippedLibbpf();
    const pins = new Pins(root);
    const found = pins.find();
    if (found.kind === "none") {
      throw new CommandError(ExitCode.No, `${why.message}; nothing is pinned either: nothing is refused`);
    }
    if (found.kind !== "complete") {
      const what = found.kind === "half-made" ? "half made" : "of another version";
      throw new CommandError(
        ExitCode.Usage,
        `${why.message}; what is pinned in ${root} is ${what}: take it out with aegisbpf detach --yes`,
      );
    }
    using opened = pins.open();
    return act(new Emergency({ control: opened.control, record: new EmergencyRecord(state), via: "pins" }));
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new CommandError(ExitCode.Usage, `permission denied at ${root}; run this as root`);
    }
    if (error instanceof SystemError || error instanceof LibbpfError) {
      throw new CommandError(
        ExitCode.Usage,
        `${why.message}; and the pins cannot be opened: ${error.message}`,
      );
    }
    throw error;
  }
}
