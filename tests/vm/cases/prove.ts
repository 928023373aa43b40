/** `aegisbpf prove`: sees every way covered where that is so, and sees when it is not. */

import { BpfMap } from "../../../ffi/map.ts";
import { AEGIS, KIND } from "../../../src/kernel/layout.ts";
import { readKey, viewOf } from "../../../src/kernel/packed.ts";
import { type Case, category, check, type Context, equal, type Setup, Skip } from "../guest/case.ts";

const disruptive = true;
/** Milliseconds for one rule on one file system. */
const LIMIT = 240_000;
const EVERYTHING = ["read", "write", "exec", "delete", "rename", "link", "attr", "truncate"];

/** Runs `prove` for the case's rule, and answers its report. */
// deno-lint-ignore no-explicit-any -- the report is the command's JSON
async function prove(t: Context, code: number): Promise<any> {
  const { code: ended, stdout, stderr } = await t.agent.runFor(
    LIMIT,
    "prove",
    "--rule",
    t.ruleId(),
    "--json",
  );
  const bad = (stdout.match(/\{[^{}]*"(not covered|cannot tell)",[^{}]*\}/g) ?? []).slice(0, 8).join("\n");
  equal(ended, code, `the exit status (${stderr.slice(0, 500)} ${bad})`);
  return JSON.parse(stdout);
}

function left(t: Context): string {
  const names = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name);
  return [...names(t.dir()), ...names(t.dir("tmpfs")), ...names(t.guest.cgroupRoot)]
    .filter((name) => name.includes("aegisbpf-prove")).join();
}

/** A whole run of `prove` takes half a minute under emulation, so most of them are made on one kernel. */
const once = { kernels: ["6.1", "host"] };

const covered = (name: string, prepare: (t: Setup) => void): Omit<Case, "category"> => ({
  name,
  disruptive,
  prepare,
  run: async (t) => {
    const report = await prove(t, 0);
    equal(report.ok, true, "ok");
    check(report.counts.covered > 10, `only ${report.counts.covered} ways were tried`);
    equal(left(t), "", "what is left behind");
  },
});

/** The cases of `prove`. */
export const proofs: Case[] = category("prove", [
  { ...once, ...covered("a rule on a file is covered", (t) => void t.deny(t.file(`${t.dir()}/secret`))) },
  {
    ...once,
    ...covered(
      "a rule on a file on tmpfs is covered",
      (t) => void t.deny(t.file(`${t.dir("tmpfs")}/secret`)),
    ),
  },
  {
    ...once,
    ...covered("a rule on execution alone is covered", (t) => {
      t.deny(t.program(`${t.dir()}/program`), { deny: ["exec"] });
    }),
  },
  covered("a rule on every operation is covered", (t) => {
    t.deny(t.file(`${t.dir()}/secret`), { deny: EVERYTHING });
  }),
  {
    ...once,
    ...covered("a rule on opens below a directory is covered", (t) => {
      Deno.mkdirSync(`${t.dir()}/tree`);
      t.deny(`${t.dir()}/tree/**`);
    }),
  },
  {
    ...once,
    ...covered("a rule on every operation below a directory is covered", (t) => {
      Deno.mkdirSync(`${t.dir()}/tree`);
      t.deny(`${t.dir()}/tree/**`, { deny: EVERYTHING });
    }),
  },
  {
    ...once,
    ...covered("a rule on an inode is covered", (t) => {
      const { dev, ino } = Deno.statSync(t.file(`${t.dir()}/secret`));
      t.rule({ id: t.ruleId(), inodes: [`${dev >> 8 & 0xfff}:${dev & 0xff | dev >> 12 & 0xfff00}:${ino}`] });
    }),
  },
  {
    ...once,
    ...covered("a rule that audits is covered: every way is reported", (t) => {
      t.deny(t.file(`${t.dir()}/secret`), { mode: "audit" });
    }),
  },
  {
    name: "what only watches is looked at, and is no proof",
    phases: ["fentry", "tracepoint"],
    disruptive,
    prepare: (t) => void t.deny(t.file(`${t.dir()}/secret`)),
    run: async (t) => {
      if (t.phase === "tracepoint" && t.guest.kernel !== "host") {
        throw new Skip(
          "under emulation the agent looks at the rules' places less often than prove waits for",
        );
      }
      const report = await prove(t, 2);
      equal(report.posture, "degraded", "posture");
      equal(report.counts["not covered"], 0, "ways that are not reported although that is promised");
      check(report.counts.covered > 10, `only ${report.counts.covered} ways were reported`);
    },
  },
  {
    ...once,
    name: "a file that left its place stays denied",
    disruptive,
    prepare: (t) => void t.deny(t.file(`${t.dir()}/secret`)),
    run: async (t) => {
      equal(t.act.one("rename", `${t.dir()}/secret`, `${t.dir()}/away`), "ok", "the renaming");
      await prove(t, 0);
      equal(t.act.one("open-read", `${t.dir()}/away`), "EPERM", "the file under its new name");
    },
  },
  {
    ...once,
    name: "everybody exempt is not covered",
    disruptive,
    prepare: (t) => void t.deny(t.file(`${t.dir()}/secret`)),
    run: async (t) => {
      await t.agent.expect(0, "policy", "apply", t.writePolicy({ allow: { cgroups: ["/"] } }));
      const report = await prove(t, 1);
      await t.agent.expect(0, "policy", "apply", t.writePolicy({}));
      equal(report.counts.covered, 0, "covered ways");
    },
  },
  {
    kernels: ["6.12"],
    name: "entries that go missing in the kernel are not covered",
    disruptive,
    prepare: (t) => void t.deny(t.file(`${t.dir()}/secret`)),
    run: async (t) => {
      const stop = forgetFiles(t);
      try {
        const report = await prove(t, 1);
        check(report.counts["not covered"] > 10, `only ${report.counts["not covered"]} ways are not covered`);
      } finally {
        stop();
        await t.agent.expect(0, "policy", "apply", t.writePolicy({}));
      }
    },
  },
]);

/** Breaks enforcement: takes files, and the places by which they are learnt again, out of both sets until told to stop. */
function forgetFiles(t: Context): () => void {
  const timer = setInterval(() => {
    using sets = BpfMap.fromPin(`${t.agent.pins}/schema-${AEGIS.SCHEMA}/map-entries`);
    for (const index of [0, 1]) {
      using entries = sets.lookupMap(new Uint8Array(Uint32Array.of(index).buffer));
      for (const key of [...entries?.keys() ?? []]) {
        if (FORGOTTEN.has(readKey(viewOf(key)).kind)) entries?.delete(key);
      }
    }
  }, 5);
  return () => clearInterval(timer);
}

const FORGOTTEN: ReadonlySet<number> = new Set([KIND.FILE, KIND.PLACE, KIND.LEAF]);
