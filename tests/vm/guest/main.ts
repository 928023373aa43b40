/**
 * Runs the catalogue on the kernel it finds itself on, as root, and prints one JSON line for each case.
 *
 *   main.ts --kernel NAME --agent PATH --act PATH --nothing PATH --scratch DIR
 *           [--phase PHASE]... [--category CATEGORY]... [--ext4 DIR] [--tmpfs DIR] [--backend NAME] [--race SECONDS]
 *
 * One Deno process for a whole boot, because under emulation its start takes as long as a hundred cases. Exit status: 0
 * all ran, whatever their results; 1 the cases could not be run.
 */

import { parseArgs } from "node:util";
import { catalogue } from "../cases/catalogue.ts";
import { Act } from "./act.ts";
import { Agent } from "./agent.ts";
import { type Guest, isAmong, type Phase } from "./case.ts";
import { describeMachine } from "./machine.ts";
import { runPhase } from "./runner.ts";

const PHASES: readonly Phase[] = ["enforce", "fentry", "tracepoint", "alone"];

const { values } = parseArgs({
  options: {
    kernel: { type: "string", default: "host" },
    agent: { type: "string" },
    act: { type: "string" },
    nothing: { type: "string" },
    scratch: { type: "string" },
    ext4: { type: "string", default: "/srv/t" },
    tmpfs: { type: "string", default: "/dev/shm/t" },
    backend: { type: "string" },
    phase: { type: "string", multiple: true },
    category: { type: "string", multiple: true },
    race: { type: "string", default: "3" },
  },
});
const { agent: agentPath, act: actPath, nothing, scratch } = values;
if (!agentPath || !actPath || !nothing || !scratch) {
  console.error("main.ts: --agent, --act, --nothing and --scratch are required");
  Deno.exit(1);
}

const unknown = values.category?.find((name) => !catalogue.some(({ category }) => category === name));
if (unknown !== undefined) {
  console.error(`main.ts: there is no category ${unknown}`);
  Deno.exit(1);
}

const guest = describeMachine({
  kernel: values.kernel,
  nothing,
  ext4: values.ext4,
  tmpfs: values.tmpfs,
  backend: values.backend as Guest["backend"] | undefined,
  raceSeconds: Number(values.race),
});
Deno.mkdirSync(scratch, { recursive: true, mode: 0o755 });
const environment = Object.fromEntries(
  ["AEGISBPF_ROOT", "AEGISBPF_BPFFS"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }),
);
/** Milliseconds of a start or a command where another processor is emulated, which takes three times as long. */
const FOREIGN_LIMIT = 180_000;
const limits = Deno.build.arch === "aarch64" ? [FOREIGN_LIMIT] : [];
const agent = new Agent(agentPath, scratch, environment, ...limits);
await agent.clear();
for (const phase of (values.phase as Phase[] | undefined) ?? PHASES) {
  const cases = catalogue.filter((one) =>
    (one.phases ?? ["enforce"]).includes(phase) &&
    (one.kernels === undefined || isAmong(guest, one.kernels)) &&
    (!values.category || values.category.includes(one.category))
  );
  if (cases.length === 0) continue;
  await runPhase({
    phase,
    cases,
    guest,
    act: new Act(actPath),
    agent,
    scratch,
    report: (report) => {
      console.log(JSON.stringify(report));
      if (report.result === "fail") console.error(`${report.category}/${report.name}: ${agent.log(600)}`);
    },
  });
}
console.error(agent.log(100_000));
if (values.kernel === "host") cleanUp();
Deno.exit(0); // whatever a failed case has left running

/** Leaves this machine as it was; a guest ends anyway. */
function cleanUp(): void {
  for (const dir of [guest.ext4, guest.tmpfs]) Deno.removeSync(dir, { recursive: true });
  removeCgroup(`${guest.cgroupRoot}/aegis-test`);
}

function removeCgroup(dir: string): void {
  for (const entry of Deno.readDirSync(dir)) if (entry.isDirectory) removeCgroup(`${dir}/${entry.name}`);
  Deno.removeSync(dir);
}
