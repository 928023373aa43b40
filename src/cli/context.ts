/**
 * What a command works with: its streams and the installation's paths.
 *
 * @module
 */
import { type ExitCode, ExitCode as Code } from "../agent/exit_codes.ts";
import { type Locations, locations } from "../agent/locations.ts";
import { type Output, processOutput } from "./output.ts";

/** The surroundings of one command. */
export interface Context {
  readonly output: Output;
  /**
   * Where things are.
   *
   * @throws {EnvironmentError} if a variable that says so cannot be used.
   */
  locations(): Locations;
  /** What the command ends with; a command that is done needs not set it. */
  exit: ExitCode;
}

/** The surroundings of this process. */
export function processContext(): Context {
  return { output: processOutput(), locations: () => locations(), exit: Code.Done };
}
