/**
 * Measures what whole workloads cost, in instructions, in guests whose clocks advance with their instructions: `tar` of
 * a tree of headers, `find -exec cat` of it, a build with gcc, and nginx that serves small files, with the agent
 * enforcing 1, 100 and 10,000 rules and a subtree, beside AppArmor and fapolicyd with the same rules.
 *
 *   tests/bench/workload [--guard aegisbpf|apparmor|fapolicyd]... [--repeats N] [--agent PATH] [--json]
 *
 * Everything that runs counts, the agent too. Each row is the mean of N runs, begun once the guard has nothing left to do
 * with its rules, and is compared with the same workload in the same guest before anything guarded it; how much of all
 * runs the guard's own process took is a row of its own. Prints one table (or, with --json, the rows), leaves the rows in
 * build/bench/workload.json, and exits 1 when a workload takes 2 % more with the agent. Repeats to about 0.5 %.
 */

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { copyAgent, ROOT, tool } from "../vm/pack.ts";
import { beside } from "./guests.ts";
import { leave, type Row, WORK } from "./rows.ts";

const PERCENT = 2;
/** Debian's packages in these guests. */
const PACKAGES = "bash coreutils busybox-static libbpf1 libelf1 zlib1g libgcc-s1 libstdc++6 " +
  "tar findutils make gcc libc6-dev nginx apparmor fapolicyd";
const LSMS = "lockdown,capability,yama";

/** The guests: what guards in them, and the kernel's list of LSMs. */
const GUESTS = [
  { guard: "aegisbpf", name: "lsm", text: "aegisbpf, lsm", lsms: `${LSMS},bpf` },
  { guard: "aegisbpf", name: "fmod_ret", text: "aegisbpf, fmod_ret", lsms: LSMS },
  { guard: "apparmor", name: "apparmor", text: "AppArmor", lsms: `${LSMS},apparmor` },
  { guard: "fapolicyd", name: "fapolicyd", text: "fapolicyd", lsms: LSMS },
] as const;

type Guest = typeof GUESTS[number];

/** One run: instructions of all, and of the guard's own process. */
interface Line {
  readonly rules: string;
  readonly workload: string;
  readonly total: number;
  readonly guard: number;
}

const WORKLOADS: Record<string, string> = {
  tar: "tar of 1,500 headers, 4 times",
  find: "find -exec cat of them, 4 times",
  build: "make of 2 C files with gcc",
  http: "nginx, 4,000 requests for files of 2 KiB",
};

const { values } = parseArgs({
  options: {
    guard: { type: "string", multiple: true, default: ["aegisbpf", "apparmor", "fapolicyd"] },
    repeats: { type: "string", default: "2" },
    agent: { type: "string", default: `${ROOT}/dist/aegisbpf` },
    json: { type: "boolean", default: false },
  },
});
const agent = resolve(values.agent);
const share = `${WORK}/workload`;
await Deno.remove(share, { recursive: true }).catch(() => {});
await Deno.mkdir(`${share}/act`, { recursive: true });
for (const program of ["workload", "open-cost"]) {
  await tool("gcc", [
    ...["-O2", "-s", "-static", "-Wall", "-Wextra", "-Werror", "-std=gnu11"],
    ...["-o", `${share}/${program}`, `${ROOT}/tests/bench/${program}.c`],
  ]);
}
for (const name of ["workload-guest", "guest.sh"]) {
  await Deno.copyFile(`${ROOT}/tests/bench/${name}`, `${share}/${name}`);
}
for (const { name } of Deno.readDirSync(`${ROOT}/tests/vm/act`)) {
  await Deno.copyFile(`${ROOT}/tests/vm/act/${name}`, `${share}/act/${name}`);
}
await copyAgent(agent, share);

const rows = await beside(GUESTS.filter(({ guard }) => values.guard.includes(guard)), measure);
Deno.exit(leave("workload", rows.flat(), values.json));

async function measure(guest: Guest): Promise<Row[]> {
  const { guard, name, lsms } = guest;
  const { success, stdout, stderr } = await new Deno.Command(`${ROOT}/tests/vm/vm`, {
    args: [
      ...["run", "--icount", "--kernel", "6.1", "--lsm", lsms, "--mem", "1536", "--timeout", "1800"],
      ...["--share", share, "--", "./workload-guest", guard, values.repeats],
      ...(guard === "aegisbpf" ? [name, `${share}/aegisbpf`] : []),
    ],
    env: { VM_PACKAGES: PACKAGES },
    stdin: "null",
  }).output();
  if (!success) throw new Error(`The guest failed: ${new TextDecoder().decode(stderr).slice(-3000)}`);
  const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line): Line => {
    const [rules = "", workload = "", total, guard] = line.split("\t");
    return { rules, workload, total: Number(total), guard: Number(guard) };
  });
  return [...workloadRows(guest, lines), ...shareRows(guest, lines)];
}

function workloadRows({ guard, name, text }: Guest, lines: readonly Line[]): Row[] {
  const runs = Map.groupBy(lines, ({ rules, workload }) => `${workload}/${rules}`);
  return [...runs].map(([key, runs]): Row => {
    const [workload = "", rules = ""] = key.split("/");
    const isBare = rules === "bare";
    return {
      key: `${name}/${key}`,
      text: `${WORKLOADS[workload]}: ${isBare ? `before ${text}` : `${text}, ${rulesText(rules)}`}`,
      value: runs.reduce((sum, { total }) => sum + total, 0) / runs.length,
      unit: "instructions",
      ...(isBare ? {} : { baseline: `${name}/${workload}/bare` }),
      ...(guard === "aegisbpf" && /^\d+$/.test(rules) ? { limit: { percent: PERCENT } } : {}),
    };
  });
}

/** How much of all runs the guard's own process took; none of what guards in the kernel alone. */
function shareRows({ name, text }: Guest, lines: readonly Line[]): Row[] {
  const sum = (runs: readonly Line[], of: "total" | "guard") => runs.reduce((all, run) => all + run[of], 0);
  return [...Map.groupBy(lines, ({ rules }) => rules)].filter(([, runs]) => sum(runs, "guard") > 0).map((
    [rules, runs],
  ): Row => ({
    key: `${name}/share/${rules}`,
    text: `its own process, of all that ran: ${text}, ${rulesText(rules)}`,
    value: sum(runs, "guard") / sum(runs, "total") * 100,
    unit: "%",
  }));
}

function rulesText(rules: string): string {
  if (rules === "subtree") return "100 rules and a subtree";
  return rules === "1" ? "1 rule" : `${Number(rules).toLocaleString("en")} rules`;
}
