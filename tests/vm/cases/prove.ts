/** `aegisbpf prove`: sees every way covered where that is so, and sees when it is not. */

import { BpfMap } from "../../../ffi/map.ts";
import { AEGIS, KIND } from "../../../src/kernel/layout.ts";
import { readKey, viewOf } from "../../../src/kernel/packed.ts";
import { type Case, category, check, type Context, equal, type Setup } from "../guest/case.ts";

const disruptive = true;
/** Milliseconds for all rules of a case: under emulation a rule takes some seconds, and processes to start. */
const LIMIT = 110_000;
const EVERYTHING = ["read", "write", "exec", "delete", "rename", "link", "attr", "truncate"];

/** Runs `prove` for rules of the case, given by their suffixes, and answers its report. */
// deno-lint-ignore no-explicit-any -- the report is the command's JSON
async function prove(t: Context, code: number, suffixes: readonly (string | undefined)[]): Promise<any> {
  const rules = suffixes.flatMap((suffix) => ["--rule", t.ruleId(suffix)]);
  const { code: ended, stdout, stderr } = await t.agent.runFor(LIMIT, "prove", ...rules, "--json");
  const bad = (stdout.match(/\{[^{}]*"(not covered|cannot tell)",[^{}]*\}/g) ?? []).slice(0, 8).join("\n");
  equal(ended, code, `the exit status (${stderr.slice(0, 500)} ${bad})`);
  return JSON.parse(stdout);
}

function left(t: Context): string {
  const names = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name);
  return [...names(t.dir()), ...names(t.dir("tmpfs")), ...names(t.guest.cgroupRoot)]
    .filter((name) => name.includes("aegisbpf-prove")).join();
}

/** Rules of one case, each of a shape of its own: they are proved together, as starting takes the most time. */
type Shapes = Readonly<Record<string, (t: Setup, id: string) => void>>;

const covered = (name: string, shapes: Shapes): Omit<Case, "category"> => ({
  name,
  disruptive,
  prepare: (t) => {
    for (const [suffix, shape] of Object.entries(shapes)) shape(t, t.ruleId(suffix));
  },
  run: async (t) => {
    const report = await prove(t, 0, Object.keys(shapes));
    equal(report.ok, true, "ok");
    equal(report.rules.length, Object.keys(shapes).length, "the rules");
    for (const { rule, like, attempts } of report.rules) {
      equal(like, undefined, `what ${rule} is like`);
      const count = attempts.filter(({ outcome }: { outcome: string }) => outcome === "covered").length;
      check(count > 10, `only ${count} ways round ${rule} are covered`);
    }
    equal(left(t), "", "what is left behind");
  },
});

const onFile = (t: Setup, id: string, rule = {}) =>
  t.rule({ id, paths: [t.file(`${t.dir()}/${id.slice(-6)}`)], ...rule });

const onTree = (t: Setup, id: string, rule = {}) => {
  const tree = `${t.dir()}/${id.slice(-6)}`;
  Deno.mkdirSync(tree);
  t.rule({ id, paths: [`${tree}/**`], ...rule });
};

/** The cases of `prove`. */
export const proofs: Case[] = category("prove", [
  {
    kernels: ["5.10-bpf", "6.1-none", "6.12-bpf", "7.3-none"],
    ...covered("rules on a file and below a directory are covered", {
      file: (t, id) => onFile(t, id, { deny: EVERYTHING, signal: "kill" }),
      tree: (t, id) => onTree(t, id),
    }),
  },
  {
    kernels: ["6.1-none"],
    ...covered("rules of other shapes are covered", {
      tmpfs: (t, id) => t.rule({ id, paths: [t.file(`${t.dir("tmpfs")}/secret`)] }),
      exec: (t, id) =>
        t.rule({ id, paths: [t.program(`${t.dir()}/program`)], deny: ["exec"], signal: "term" }),
      every: (t, id) => onTree(t, id, { deny: EVERYTHING }),
      inode: (t, id) => {
        const { dev, ino } = Deno.statSync(t.file(`${t.dir()}/inode`));
        t.rule({ id, inodes: [`${dev >> 8 & 0xfff}:${dev & 0xff | dev >> 12 & 0xfff00}:${ino}`] });
      },
      audit: (t, id) => onFile(t, id, { mode: "audit" }),
    }),
  },
  {
    name: "what only watches is looked at, and is no proof",
    kernels: ["6.12-bpf", "host"],
    phases: ["fentry", "tracepoint"],
    disruptive,
    prepare: (t) => void t.deny(t.file(`${t.dir()}/secret`)),
    run: async (t) => {
      const report = await prove(t, 2, [undefined]);
      equal(report.posture, "degraded", "posture");
      equal(report.counts["not covered"], 0, "ways that are not reported although that is promised");
      check(report.counts.covered > 10, `only ${report.counts.covered} ways were reported`);
    },
  },
  {
    name: "everybody exempt is not covered",
    kernels: ["host"],
    phases: ["tracepoint"],
    disruptive,
    prepare: (t) => void t.deny(t.file(`${t.dir()}/secret`)),
    run: async (t) => {
      await t.agent.expect(0, "policy", "apply", t.writePolicy({ allow: { cgroups: ["/"] } }));
      const report = await prove(t, 1, [undefined]);
      await t.agent.expect(0, "policy", "apply", t.writePolicy({}));
      equal(held(report), 0, "covered ways");
    },
  },
  {
    name: "entries that go missing in the kernel are not covered; what left its place stays denied",
    kernels: ["6.12-bpf"],
    disruptive,
    prepare: (t) => void t.deny(t.file(`${t.dir()}/secret`)),
    run: async (t) => {
      equal(t.act.one("rename", `${t.dir()}/secret`, `${t.dir()}/away`), "ok", "the renaming");
      await prove(t, 0, [undefined]);
      equal(t.act.one("open-read", `${t.dir()}/away`), "EPERM", "the file under its new name");
      const stop = forgetFiles(t);
      try {
        const report = await prove(t, 1, [undefined]);
        check(report.counts["not covered"] > 10, `only ${report.counts["not covered"]} ways are not covered`);
        equal(held(report), 0, "covered ways");
      } finally {
        stop();
        await t.agent.expect(0, "policy", "apply", t.writePolicy({}));
      }
    },
  },
]);

/** How many ways are covered by a refusal or a report. */
// deno-lint-ignore no-explicit-any -- as for prove()
function held(report: any): number {
  // deno-lint-ignore no-explicit-any -- as for prove()
  return report.rules.flatMap(({ attempts }: any) => attempts)
    .filter(({ aim, outcome }: { aim: string; outcome: string }) => aim === "held" && outcome === "covered")
    .length;
}

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
