/**
 * Loads each program of the object alone on each kernel, in QEMU, and prints how many instructions the verifier looked
 * at: what a start costs, and how far the limit of a million is.
 *
 *   tests/bench/verifier [--kernel K]... [--check]
 *
 * Writes tests/bench/verifier.json, which is committed, so that growth shows in review; --check only compares, and exits
 * 1 where a program no longer loads or grew by more than a tenth. A kernel before 5.16 does not tell the number: 0.
 */

import { parseArgs } from "node:util";
import { bundle, ROOT, tool } from "../vm/pack.ts";

/** Instructions by program, by kernel; null: the kernel has no such hook. */
type Counts = Record<string, Record<string, number | null>>;

const { values } = parseArgs({
  options: {
    kernel: { type: "string", multiple: true, default: ["5.10", "6.1", "6.12", "7.3"] },
    check: { type: "boolean", default: false },
  },
});
const TARGET = `${ROOT}/tests/bench/verifier.json`;
const SHARE = `${ROOT}/build/bench/verifier`;

await Deno.remove(SHARE, { recursive: true }).catch(() => {});
await Deno.mkdir(SHARE, { recursive: true });
await tool(`${ROOT}/scripts/build`, ["bpf"]);
await bundle(`${ROOT}/tests/bench/verifier-guest.ts`, `--outfile=${SHARE}/main.js`);
for (const name of ["aegis.bpf.o", "libbpf.so"]) {
  await Deno.copyFile(`${ROOT}/build/${name}`, `${SHARE}/${name}`);
}
await Deno.copyFile(Deno.execPath(), `${SHARE}/deno`);

const counts: Counts = {};
for (const kernel of values.kernel) {
  const { success, stdout, stderr } = await new Deno.Command(`${ROOT}/tests/vm/vm`, {
    args: [
      ...["run", "--kernel", kernel, "--timeout", "900", "--share", SHARE, "--"],
      ...["./deno", "run", "--quiet", "--allow-all", "--no-check", "main.js"],
    ],
    stdin: "null",
  }).output();
  if (!success) throw new Error(`The guest failed: ${new TextDecoder().decode(stderr).slice(-3000)}`);
  counts[kernel] = JSON.parse(new TextDecoder().decode(stdout));
}
print(counts);
if (!values.check) await Deno.writeTextFile(TARGET, JSON.stringify(counts, null, 2) + "\n");
else {
  const grown = grownSince(JSON.parse(await Deno.readTextFile(TARGET)), counts);
  for (const line of grown) console.error(line);
  Deno.exit(grown.length > 0 ? 1 : 0);
}

function print(all: Counts): void {
  const kernels = Object.keys(all);
  const programs = Object.keys(all[kernels[0] ?? ""] ?? {});
  console.log(["program".padEnd(26), ...kernels.map((kernel) => kernel.padStart(9))].join(""));
  for (const program of programs) {
    const cells = kernels.map((kernel) => String(all[kernel]?.[program] ?? "-").padStart(9));
    console.log([program.padEnd(26), ...cells].join(""));
  }
}

function grownSince(before: Counts, now: Counts): string[] {
  return Object.entries(now).flatMap(([kernel, programs]) =>
    Object.entries(programs).flatMap(([program, count]) => {
      const old = before[kernel]?.[program];
      if (count === null) return old === null ? [] : [`${program} no longer loads on ${kernel}`];
      return old !== null && old !== undefined && count > old * 1.1
        ? [`${program} on ${kernel}: ${old} instructions before, ${count} now`]
        : [];
    })
  );
}
