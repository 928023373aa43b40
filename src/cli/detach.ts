/**
 * `aegisbpf detach`: takes everything out of the kernel.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import type { Locations } from "../agent/locations.ts";
import type { PinsFound } from "../kernel/pins.ts";
import type { Context } from "./context.ts";
import type { Parent } from "./definition.ts";
import { CommandError } from "./failure.ts";

/** Adds the command. */
export function addDetach(parent: Parent, context: Context): void {
  parent.command("detach")
    .summary("take everything out of the kernel")
    .description(
      "Takes everything out of the kernel that an agent left there: programs, counters and the policy in force. " +
        "Nothing is denied or reported afterwards. The agent must be stopped first. Files are kept: the next run " +
        "goes on with the last good policy.",
    )
    .option("--yes", "do it; without this it is only said what would be done")
    .action(async ({ yes }) => {
      const places = context.locations();
      if (!yes) throw unconfirmed(places);
      context.output.out(`${await detach(places)}\n`);
    });
}

function unconfirmed({ pins }: Locations): CommandError {
  return new CommandError(
    ExitCode.Usage,
    `detach would remove all pins in ${pins}: nothing is denied or reported afterwards`,
    ["To do that: aegisbpf detach --yes"],
  );
}

/** Removes the pins; says in one line what was there. */
async function detach(places: Locations): Promise<string> {
  const [{ InstanceLock }, { Refusal }, { Pins }, { useShippedLibbpf }] = await Promise.all([
    import("../agent/instance_lock.ts"),
    import("../agent/refusal.ts"),
    import("../kernel/pins.ts"),
    import("../kernel/shipped_libbpf.ts"),
  ]);
  try {
    // Held until the end: an agent that starts meanwhile would be left with half of its pins.
    using _lock = InstanceLock.take(places);
    useShippedLibbpf();
    const pins = new Pins(places.pins);
    const found = pins.find();
    pins.remove();
    return removed(found, places.pins);
  } catch (error) {
    if (error instanceof Refusal) {
      const how = "stop it first: systemctl stop aegisbpf, or Ctrl-C where it runs";
      throw new CommandError(ExitCode.Usage, `${error.message}; ${how}`);
    }
    if (!isPermissionDenied(error)) throw error;
    throw new CommandError(ExitCode.Usage, `${error.message}; run this as root`);
  }
}

function isPermissionDenied(error: unknown): error is Error {
  return error instanceof Deno.errors.PermissionDenied ||
    (error instanceof Error && "code" in error && (error.code === "EACCES" || error.code === "EPERM"));
}

function removed(found: PinsFound, root: string): string {
  switch (found.kind) {
    case "none":
      return `nothing to remove: no pins in ${root}`;
    case "half-made":
      return `removed half-made pins in ${found.folder} (${found.reason})`;
    case "other-schema":
      return `removed pins of another version: ${found.folders.join(", ")}`;
    case "complete":
      return `removed the pins in ${found.folder}, backend ${found.meta.backend}: nothing is denied or reported now`;
  }
}
