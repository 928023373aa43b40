/**
 * The commands, in the order of the help.
 *
 * @module
 */
import { addAllow } from "./allow.ts";
import { addCompletions } from "./completions.ts";
import type { Context } from "./context.ts";
import type { Parent } from "./definition.ts";
import { addDeny } from "./deny.ts";
import { addDetach } from "./detach.ts";
import { addDoctor } from "./doctor.ts";
import { addEvents } from "./events.ts";
import { addEmergency } from "./emergency.ts";
import { addExplain } from "./explain.ts";
import { addHealth } from "./health_command.ts";
import { addMan } from "./man.ts";
import { addPolicy } from "./policy.ts";
import { addProve } from "./prove.ts";
import { addRun } from "./run.ts";
import { addStats } from "./stats.ts";

/** Adds one command, or a group of them. */
export type AddCommand = (parent: Parent, context: Context) => void;

/** All commands. */
export const COMMANDS: readonly AddCommand[] = [
  addRun,
  addHealth,
  addPolicy,
  addDeny,
  addAllow,
  addStats,
  addEvents,
  addExplain,
  addProve,
  addEmergency,
  addDoctor,
  addDetach,
  addCompletions,
  addMan,
];
