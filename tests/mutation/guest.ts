/**
 * The guest's part of main.ts: for the unbroken object and then for each mutant, runs the cases that must notice, and
 * prints a line of JSON for each.
 *
 *   main.js KERNEL MUTANT...      numbers of MUTANTS; beside it lie act, nothing, agent/ and objects/
 */

import { catalogue } from "../vm/cases/catalogue.ts";
import { Act } from "../vm/guest/act.ts";
import { Agent } from "../vm/guest/agent.ts";
import type { Case } from "../vm/guest/case.ts";
import { describeMachine } from "../vm/guest/machine.ts";
import { type Report, runPhase } from "../vm/guest/runner.ts";
import { type Mutant, MUTANTS } from "./mutants.ts";

/** What came of a mutant's case, with it and without. */
export interface Outcome extends Pick<Report, "result" | "reason" | "unready"> {
  readonly mutant: number;
  /** Whether the mutant was in force. */
  readonly broken: boolean;
}

const [kernel = "", ...numbers] = Deno.args;
const here = Deno.cwd();
const mutants = numbers.map(Number);
const guest = describeMachine({ kernel, nothing: `${here}/nothing` });

await attempt("unbroken", [...new Set(mutants.map(caseOf))], (report) => {
  const { category, name } = report;
  for (const mutant of mutants) {
    const wanted = caseOf(mutant);
    if (wanted.category === category && wanted.name === name) print(mutant, false, report);
  }
});
for (const mutant of mutants) {
  await attempt(String(mutant), [caseOf(mutant)], (report) => print(mutant, true, report));
}
Deno.exit(0);

/** Runs cases under an agent with one of objects/. */
async function attempt(object: string, cases: Case[], report: (report: Report) => void): Promise<void> {
  Deno.copyFileSync(`${here}/objects/${object}.o`, `${here}/agent/aegis.bpf.o`);
  const scratch = `/srv/scratch/${object}`;
  Deno.mkdirSync(scratch, { recursive: true });
  const agent = new Agent(`${here}/agent/aegisbpf`, scratch);
  await runPhase({
    ...{ phase: "enforce", cases, agent, scratch, report },
    guest: { ...guest, ext4: `${guest.ext4}/${object}` },
    act: new Act(`${here}/act`),
  });
  console.error(agent.log());
}

function caseOf(mutant: number): Case {
  const { caught } = MUTANTS[mutant] as Mutant;
  const found = catalogue.find(({ category, name }) => category === caught.category && name === caught.name);
  if (!found) throw new Error(`There is no case ${caught.category}: ${caught.name}`);
  return found;
}

function print(mutant: number, broken: boolean, { result, reason, unready }: Report): void {
  const outcome = { mutant, broken, result, reason: reason ?? "", ...(unready ? { unready } : {}) };
  console.log(JSON.stringify(outcome satisfies Outcome));
}
