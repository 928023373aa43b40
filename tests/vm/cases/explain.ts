/** `aegisbpf explain`: says of an open what the kernel then does. */

import { type Case, category, type Context, equal, type Setup } from "../guest/case.ts";
import { needFileSystem } from "../guest/images.ts";

/** Asking takes a process a time, and only overlayfs differs by kernel. */
const once = { kernels: ["6.1-bpf"] };

interface Expected {
  readonly decision: "deny" | "allow";
  /** How the rule names the file; of the case's rule, where one decides. */
  readonly by?: string;
  /** A path below the root of the hierarchy. */
  readonly cgroup?: string;
}

/** Asks about reading a file. */
// deno-lint-ignore no-explicit-any -- the report is the command's JSON
async function asked(t: Context, path: string, { decision, by, cgroup }: Expected): Promise<any> {
  const from = cgroup === undefined ? [] : ["--cgroup", cgroup];
  const report = await t.agent.json(decision === "deny" ? 1 : 0, "explain", path, "--json", ...from);
  equal(report.decision, decision, "the decision");
  equal(report.rule?.by, by, "how the rule names it");
  if (by !== undefined) equal(report.rule.id, t.ruleId(), "the rule");
  return report;
}

function opened(t: Context, path: string, cgroup?: string): string {
  return t.act.one(...cgroup === undefined ? [] : ["--cgroup", cgroup], "open-read", path);
}

function overlay(t: Setup): void {
  needFileSystem("overlay");
  const dir = t.dir();
  for (const name of ["lower", "upper", "work", "merged"]) Deno.mkdirSync(`${dir}/${name}`);
  t.deny(t.file(`${dir}/lower/secret`));
  const options = `lowerdir=${dir}/lower,upperdir=${dir}/upper,workdir=${dir}/work`;
  equal(t.act.one("mount", "overlay", "none", `${dir}/merged`, options), "ok", "the overlay's mount");
}

/** The cases of `explain`. */
export const explanations: Case[] = category("explain", [
  {
    ...once,
    name: "a denied file, by another of its names, and one that no rule names",
    prepare: (t) => {
      t.deny(t.file(`${t.dir()}/secret`));
      Deno.linkSync(`${t.dir()}/secret`, `${t.dir()}/linked`);
      t.file(`${t.dir()}/control`);
    },
    run: async (t) => {
      const report = await asked(t, `${t.dir()}/linked`, { decision: "deny", by: "file" });
      equal(report.other_names.names.join(), `${t.dir()}/secret`, "its other names");
      equal(opened(t, `${t.dir()}/linked`), "EPERM", "the file");
      await asked(t, `${t.dir()}/control`, { decision: "allow" });
      equal(opened(t, `${t.dir()}/control`), "ok", "the control");
    },
  },
  {
    ...once,
    name: "a caller that is exempt",
    prepare: (t) => void t.deny(t.file(`${t.dir()}/secret`)),
    run: async (t) => {
      const { exemptCgroup, cgroupRoot } = t.guest;
      const cgroup = `${exemptCgroup.slice(cgroupRoot.length)}/child`;
      const report = await asked(t, `${t.dir()}/secret`, { decision: "allow", cgroup });
      equal(report.rules[0]?.id, t.ruleId(), "the rule that does not decide");
      equal(/exempt/.test(report.rules[0]?.why.join()), true, `exempt in ${report.rules[0]?.why}`);
      equal(opened(t, `${t.dir()}/secret`, `${exemptCgroup}/child`), "ok", "the file");
    },
  },
  {
    ...once,
    name: "a file that is not there yet",
    prepare: (t) => void t.deny(`${t.dir()}/late`, { deny: ["read"] }),
    run: async (t) => {
      await asked(t, `${t.dir()}/late`, { decision: "deny", by: "place" });
      t.file(`${t.dir()}/late`);
      equal(opened(t, `${t.dir()}/late`), "EPERM", "the file, once it is there");
    },
  },
  {
    ...once,
    name: "a file below a directory, and after it has left",
    prepare: (t) => {
      Deno.mkdirSync(`${t.dir()}/tree/sub`, { recursive: true });
      t.deny(`${t.dir()}/tree/**`, { deny: ["read"] });
    },
    run: async (t) => {
      t.file(`${t.dir()}/tree/sub/secret`);
      await asked(t, `${t.dir()}/tree/sub/secret`, { decision: "deny", by: "subtree" });
      equal(opened(t, `${t.dir()}/tree/sub/secret`), "EPERM", "the file");
      equal(t.act.one("rename", `${t.dir()}/tree/sub/secret`, `${t.dir()}/left`), "ok", "the renaming");
      await asked(t, `${t.dir()}/left`, { decision: "deny", by: "file" });
      equal(opened(t, `${t.dir()}/left`), "EPERM", "the file outside");
    },
  },
  {
    name: "a lower file, through an overlay",
    prepare: overlay,
    run: async (t) => {
      const report = await asked(t, `${t.dir()}/merged/secret`, { decision: "deny", by: "file" });
      equal(report.file.behind?.path, `${t.dir()}/lower/secret`, "the file behind");
      equal(opened(t, `${t.dir()}/merged/secret`), "EPERM", "the file");
    },
  },
]);
