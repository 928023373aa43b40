/** Exempt cgroups: the whole subtree of one, and nothing beside it. */

import { type Case, category, type Context, equal, type Setup } from "../guest/case.ts";

const prepare = (t: Setup): void => {
  t.deny(t.file(`${t.dir()}/secret`));
  t.file(`${t.dir()}/control`);
};

/** Opens the denied file and the control from a cgroup; the two results. */
function from(t: Context, cgroup: string): string {
  const open = (name: string): string[] => ["--cgroup", cgroup, "open-read", `${t.dir()}/${name}`];
  return t.act.all([open("secret"), open("control")]).join();
}

const covered = (name: string, cgroup: (t: Context) => string) => ({
  name,
  prepare,
  run: (t: Context) => equal(from(t, cgroup(t)), "ok,ok", "the results"),
});
const notCovered = (name: string, cgroup: (t: Context) => string) => ({
  name,
  prepare,
  run: (t: Context) => equal(from(t, cgroup(t)), "EPERM,ok", "the results"),
});

function make(path: string): string {
  Deno.mkdirSync(path, { recursive: true });
  return path;
}

/** The cases of `exempt cgroup` and `descendant cgroup`. */
export const exempt: Case[] = [
  ...category("exempt cgroup", [
    covered("the one that is named", (t) => t.guest.exemptCgroup),
    notCovered("not one beside it", (t) => t.guest.plainCgroup),
    notCovered("not one whose name begins the same", (t) => make(`${t.guest.exemptCgroup}-too`)),
    notCovered("not its parent", (t) => t.guest.exemptCgroup.slice(0, t.guest.exemptCgroup.lastIndexOf("/"))),
    notCovered("not one of the same name elsewhere", (t) => make(`${t.guest.plainCgroup}/exempt`)),
    {
      name: "a process that moves out is no longer exempt",
      prepare,
      run: async (t) => {
        const secret = `${t.dir()}/secret`;
        const procs = "/bin/sh";
        const script =
          `echo $$ >${t.guest.exemptCgroup}/cgroup.procs && "$0" open-read "$1"; echo $$ >${t.guest.plainCgroup}/cgroup.procs && "$0" open-read "$1"`;
        const done = await new Deno.Command(procs, { args: ["-c", script, t.act.program, secret] }).output();
        equal(new TextDecoder().decode(done.stdout), "ok\nEPERM\n", "inside, then outside");
      },
    },
  ]),
  ...category("descendant cgroup", [
    covered("a child", (t) => `${t.guest.exemptCgroup}/child`),
    covered("a grandchild", (t) => `${t.guest.exemptCgroup}/child/grandchild`),
    covered("one made after the policy", (t) => make(`${t.guest.exemptCgroup}/later`)),
    covered("eight levels down", (t) => make(`${t.guest.exemptCgroup}/1/2/3/4/5/6/7/8`)),
    notCovered("not eight levels down elsewhere", (t) => make(`${t.guest.plainCgroup}/1/2/3/4/5/6/7/8`)),
  ]),
];
