/**
 * The definition of `aegisbpf health`, which mostly is answered without it.
 *
 * @module
 */
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { health } from "./health.ts";

/** Adds the command. */
export function addHealth(parent: Parent, context: Context): void {
  const command = parent.command("health")
    .summary("tell what this host gets right now, proved")
    .description(
      "Tells what this host gets right now: posture enforce, audit, degraded or off. Asks the agent, opens by itself a " +
        "file that every policy denies, and where no agent answers looks at what is pinned in the kernel. " +
        "Exit code 0: healthy; 1: not, or no agent; 2: it cannot be told.",
    )
    .option(...JSON_OPTION)
    .option("--require-enforce", "healthy only in posture enforce")
    .action(async (options) => {
      context.exit = await health(options, context);
    });
  withExamples(command, [
    [
      "aegisbpf health --require-enforce --json",
      "for a monitor: exit code 0 only while denials are enforced",
    ],
  ]);
}
