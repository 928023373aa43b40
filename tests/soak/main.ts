/**
 * Runs an accelerated day of an agent in a guest and says what leaked, what grew and what was lost.
 *
 *   scripts/soak [--minutes 20] [--kernel 6.1] [--lsm bpf|none] [--agent PATH] [--json FILE]
 *
 * The day: upgrades and downgrades, kill -9 and stops first and, from 5 minutes on, once more at the end; in between, for
 * that many minutes, one agent gets new policies, deadlines that pass, rollbacks and rules by hand, while protected files
 * are replaced by rename, cgroups come and go, and floods and storms of denied opens arrive. From 5 minutes on, all that is
 * kept of flows is filled before, which takes some minutes more. A program opens a denied file all the time. --json keeps
 * the samples. The last line is `N passed, N failed, N skipped`; exit status: 0 when none failed, 1 otherwise, 2 bad usage.
 */

import { parseArgs } from "node:util";
import { bundleAgent, compileObject, copyAgent, fill, ROOT, tool } from "../vm/pack.ts";
import type { Diary } from "./guest.ts";
import { checksOf } from "./verdict.ts";

const WORK = `${ROOT}/build/soak`;
const SHARE = `${WORK}/share`;
/** Seconds that a guest needs besides the day. */
const AROUND = 1200;

const options = parse();
await pack();
const { code, stdout, stderr } = await new Deno.Command(`${ROOT}/tests/vm/vm`, {
  args: [
    ...["run", "--kernel", options.kernel, "--lsm", options.lsm, "--mem", "1024", "--append", "norandmaps"],
    ...["--timeout", String(Math.ceil(options.minutes * 60) + AROUND)],
    ...["--share", SHARE, "--packed", `${WORK}/share.img`, "--"],
    ...["./deno", "run", "--quiet", "--allow-all", "--no-check", "--no-code-cache", "main.js"],
    ...[options.kernel, String(options.minutes)],
  ],
  stdin: "null",
}).output();
await Deno.writeFile(`${WORK}/guest.log`, stderr);
if (code !== 0) {
  console.error(`soak: the guest ended with ${code}: ${new TextDecoder().decode(stderr).slice(-3000)}`);
  console.log("0 passed, 1 failed, 0 skipped");
  Deno.exit(1);
}
const diary: Diary = JSON.parse(new TextDecoder().decode(stdout));
if (options.json) await Deno.writeTextFile(options.json, JSON.stringify(diary, null, 1) + "\n");
const checks = checksOf(diary);
for (const { name, ok, detail } of checks) {
  console.log(`${ok === undefined ? "--" : ok ? "ok" : "FAILED"} ${name}: ${detail}`);
}
const count = (wanted: boolean | undefined) => checks.filter(({ ok }) => ok === wanted).length;
console.log(`${count(true)} passed, ${count(false)} failed, ${count(undefined)} skipped`);
Deno.exit(count(false) > 0 ? 1 : 0);

/** The agent that is built, and beside it, in next/, the same with another object: another build to the kernel side. */
async function pack(): Promise<void> {
  await fill(SHARE, `${ROOT}/tests/soak/guest.ts`);
  await copyAgent(options.agent, `${SHARE}/agent`);
  await bundleAgent(`${SHARE}/next`, `${SHARE}/deno`);
  const source = `${WORK}/source`;
  await Deno.mkdir(source, { recursive: true });
  await tool("cp", ["-rT", `${ROOT}/bpf`, `${source}/bpf`]);
  const text = await Deno.readTextFile(`${source}/bpf/aegis.bpf.c`);
  // The line numbers in it differ.
  await Deno.writeTextFile(`${source}/bpf/aegis.bpf.c`, `\n${text}`);
  await compileObject(source, `${SHARE}/next/aegis.bpf.o`);
  await tool(`${ROOT}/tests/vm/vm`, ["pack", SHARE, `${WORK}/share.img`]);
}

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string", default: "20" },
        kernel: { type: "string", default: "6.1" },
        lsm: { type: "string", default: "bpf" },
        agent: { type: "string", default: `${ROOT}/dist/aegisbpf` },
        json: { type: "string" },
      },
    });
    const minutes = Number(values.minutes);
    if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error("--minutes is a number up to 1440");
    return { ...values, minutes };
  } catch (error) {
    console.error(`soak: ${error instanceof Error ? error.message : error}`);
    Deno.exit(2);
  }
}
