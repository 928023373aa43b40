/**
 * The process that tries ways round a rule, for `prove`: in a cgroup of its own, told what to try on standard input, one
 * JSON object a line, and answering in the same way. It is no command that a person gives.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import type { WayName } from "../agent/prove_catalogue.ts";
import type { Operation } from "../policy/operations.ts";
import { CALLERS } from "./prove_cgroup.ts";
import { StepError } from "./prove_calls.ts";
import type { Place, Programs } from "./prove_decoys.ts";
import { GO } from "./prove_ways.ts";

/** The command's hidden name. */
export const ATTEMPT_COMMAND = "prove-attempt";

/** What is to be tried. */
export interface AttemptOrder {
  readonly way: WayName;
  readonly op: Operation;
  readonly place: Place;
  readonly programs: Programs;
}

/** What came of it: it went through, or a step of it failed. */
export type AttemptAnswer =
  | {
    readonly through: true;
    /** How many times it reached the file: as many decisions there must be. */
    readonly times: number;
  }
  | {
    readonly through: false;
    readonly step: string;
    /** An error's name such as `EPERM`, or a few words. */
    readonly code: string;
  };

/** Joins a scratch cgroup, given by its directory, and tries what it is told until standard input ends. */
export async function proveAttempts(cgroup: string): Promise<ExitCode> {
  // 0 is the writer itself, with all its threads.
  Deno.writeTextFileSync(`${cgroup}/${CALLERS.member}/cgroup.procs`, "0");
  answer({ through: true, times: 0 });
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) answer(attempt(JSON.parse(line), cgroup));
  }
  return ExitCode.Done;
}

function attempt({ way, op, place, programs }: AttemptOrder, cgroup: string): AttemptAnswer {
  try {
    return { through: true, times: GO[way](place, op, { ...programs, cgroup }) ?? 1 };
  } catch (error) {
    if (error instanceof StepError) return { through: false, step: error.step, code: error.code };
    return { through: false, step: way, code: error instanceof Error ? error.message : String(error) };
  }
}

function answer(value: AttemptAnswer): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  for (let written = 0; written < bytes.length;) written += Deno.stdout.writeSync(bytes.subarray(written));
}
