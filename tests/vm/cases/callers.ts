/** For whom a rule is: scopes, and exceptions by cgroup, executable and user. */

import type { Case, Rule, Setup } from "../guest/case.ts";
import { type Scene, scenes } from "../guest/scene.ts";

/** A cgroup of the case's own, made or only named; below the root of the hierarchy. */
const own = (t: Setup, name = "c"): string => `${t.guest.plainCgroup}/${t.ruleId()}-${name}`;
const inPolicy = (t: Setup, cgroup: string): string => cgroup.slice(t.guest.cgroupRoot.length);
const make = (cgroup: string): string => {
  Deno.mkdirSync(cgroup, { recursive: true });
  return cgroup;
};

/** Scenes that state their rules themselves. */
const pathless = (list: readonly Scene[]): Scene[] => list.map((scene) => ({ paths: [], ...scene }));

/** A rule that is only for a scope, or all but a cgroup, of the case's own. */
function scoped(t: Setup, cgroup: string | readonly string[]): void {
  const cgroups = typeof cgroup === "string" ? [inPolicy(t, cgroup)] : cgroup;
  t.deny(`${t.dir()}/secret`, { in: [t.scope(cgroups)] });
}

const scope = pathless([
  {
    name: "by path",
    prepare: (t) => scoped(t, make(own(t))),
    act: (t) => [
      ...[`EPERM --cgroup ${own(t)} open-read @secret`, `ok --cgroup ${own(t)} open-read @control`],
      "ok --cgroup %plain open-read @secret",
    ],
    event: "read",
  },
  {
    name: "by id",
    prepare: (t) => scoped(t, [`id:${Deno.statSync(make(own(t))).ino}`]),
    act: (t) => [`EPERM --cgroup ${own(t)} open-read @secret`, "ok --cgroup %plain open-read @secret"],
  },
  {
    name: "a descendant",
    prepare: (t) => scoped(t, make(own(t))),
    act: (t) => {
      make(`${own(t)}/a/b`);
      return [`EPERM --cgroup ${own(t)}/a/b open-read @secret`, "ok --cgroup %plain open-read @secret"];
    },
  },
  {
    name: "a cgroup beside it whose name begins the same",
    prepare: (t) => scoped(t, make(own(t))),
    act: (
      t,
    ) => [
      `ok --cgroup ${make(`${own(t)}-too`)} open-read @secret`,
      `EPERM --cgroup ${own(t)} open-read @secret`,
    ],
  },
  {
    name: "a cgroup made after the policy",
    prepare: (t) => scoped(t, own(t)),
    act: (t) => [`EPERM --cgroup ${make(own(t))} open-read @secret`, "ok --cgroup %plain open-read @secret"],
  },
  {
    name: "a cgroup made after the policy, and its parent too",
    prepare: (t) => scoped(t, `${own(t)}/unit`),
    act: (
      t,
    ) => [
      `EPERM --cgroup ${make(`${own(t)}/unit`)} open-read @secret`,
      `ok --cgroup ${own(t)} open-read @secret`,
    ],
  },
  {
    name: "a cgroup removed and made again",
    prepare: (t) => scoped(t, make(own(t))),
    act: (t) => {
      Deno.removeSync(own(t));
      return [`EPERM --cgroup ${make(own(t))} open-read @secret`, "ok --cgroup %plain open-read @secret"];
    },
  },
  {
    name: "two of them",
    prepare: (t) => scoped(t, [make(own(t)), make(own(t, "d"))].map((path) => inPolicy(t, path))),
    act: (t) => [
      ...[`EPERM --cgroup ${own(t)} open-read @secret`, `EPERM --cgroup ${own(t, "d")} open-read @secret`],
      "ok --cgroup %plain open-read @secret",
    ],
  },
  {
    name: "a file that is replaced is still only denied in it",
    prepare: (t) => scoped(t, make(own(t))),
    act: (t) => [
      ...["ok replace @secret @new text", `EPERM --cgroup ${own(t)} open-read @secret`],
      "ok --cgroup %plain open-read @secret",
    ],
  },
  {
    name: "a subtree for a scope",
    files: ["tree/", "tree/secret"],
    prepare: (t) => t.deny(`${t.dir()}/tree/**`, { in: [t.scope([inPolicy(t, make(own(t)))])] }),
    act: (
      t,
    ) => [`EPERM --cgroup ${own(t)} open-read @tree/secret`, "ok --cgroup %plain open-read @tree/secret"],
  },
  {
    name: "an exempt cgroup stays exempt",
    prepare: (t) => scoped(t, t.guest.exemptCgroup),
    lines: ["ok --cgroup %exempt open-read @secret", "ok --cgroup %plain open-read @secret"],
  },
]);

/** A rule with an exception. */
const except = (t: Setup, exception: Record<string, unknown>, rule: Partial<Rule> = {}): string =>
  t.deny(`${t.dir()}/secret`, { except: exception, ...rule });

const cgroups = pathless([
  {
    name: "of one rule",
    prepare: (t) => except(t, { cgroups: [inPolicy(t, make(own(t)))] }),
    act: (t) => [`ok --cgroup ${own(t)} open-read @secret`, "EPERM --cgroup %plain open-read @secret"],
  },
  {
    name: "of one rule, and not of another on the same file",
    prepare: (t) => {
      except(t, { cgroups: [inPolicy(t, make(own(t)))] }, { deny: ["read"] });
      t.rule({ id: t.ruleId("write"), paths: [`${t.dir()}/secret`], deny: ["write"] });
    },
    act: (t) => [`ok --cgroup ${own(t)} open-read @secret`, `EPERM --cgroup ${own(t)} open-write @secret`],
  },
  {
    name: "a descendant",
    prepare: (t) => except(t, { cgroups: [inPolicy(t, make(own(t)))] }),
    act: (t) => [`ok --cgroup ${make(`${own(t)}/a/b`)} open-read @secret`, "EPERM open-read @secret"],
  },
  {
    name: "made after the policy",
    prepare: (t) => except(t, { cgroups: [inPolicy(t, own(t))] }),
    act: (t) => [`ok --cgroup ${make(own(t))} open-read @secret`, "EPERM --cgroup %plain open-read @secret"],
  },
  {
    name: "removed and made again",
    prepare: (t) => except(t, { cgroups: [inPolicy(t, make(own(t)))] }),
    act: (t) => {
      Deno.removeSync(own(t));
      return [`ok --cgroup ${make(own(t))} open-read @secret`, "EPERM --cgroup %plain open-read @secret"];
    },
  },
]);

/** A copy of `act` that a rule may name as an executable. */
const reader = (t: Setup, name = "reader"): string => {
  Deno.copyFileSync(t.act.program, `${t.dir()}/${name}`);
  return `${t.dir()}/${name}`;
};

const executables = pathless([
  {
    name: "the one that is named",
    prepare: (t) => except(t, { exe: [reader(t)] }),
    lines: ["ok as @reader open-read @secret", "EPERM open-read @secret", "ok open-read @control"],
  },
  {
    name: "a copy of it is another",
    prepare: (t) => {
      reader(t, "copy");
      except(t, { exe: [reader(t)] });
    },
    lines: ["EPERM as @copy open-read @secret", "ok as @reader open-read @secret"],
  },
  {
    name: "another name of it is the same",
    prepare: (t) => except(t, { exe: [reader(t)] }),
    lines: ["ok link @reader @other", "ok as @other open-read @secret", "EPERM open-read @secret"],
  },
  {
    name: "by a symbolic link",
    prepare: (t) => {
      Deno.symlinkSync(reader(t), `${t.dir()}/link`);
      except(t, { exe: [`${t.dir()}/link`] });
    },
    lines: ["ok as @reader open-read @secret", "ok as @link open-read @secret", "EPERM open-read @secret"],
  },
  {
    name: "replaced by rename: the new one",
    prepare: (t) => {
      reader(t, "new");
      except(t, { exe: [reader(t)] });
    },
    lines: [
      ...["EPERM as @new open-read @secret", "ok rename @new @reader", "ok as @reader open-read @secret"],
      "EPERM open-read @secret",
    ],
  },
  {
    name: "that comes to exist",
    prepare: (t) => {
      reader(t, "new");
      except(t, { exe: [`${t.dir()}/reader`] });
    },
    lines: ["ok rename @new @reader", "ok as @reader open-read @secret", "EPERM open-read @secret"],
  },
  {
    name: "whose children are not excepted",
    prepare: (t) => except(t, { exe: [reader(t)] }),
    act: (t) => [`EPERM as @reader as ${t.act.program} open-read @secret`, "ok as @reader open-read @secret"],
  },
  {
    name: "of one rule, and not of another on the same file",
    prepare: (t) => {
      except(t, { exe: [reader(t)] }, { deny: ["read"] });
      t.rule({ id: t.ruleId("write"), paths: [`${t.dir()}/secret`], deny: ["write"] });
    },
    lines: ["ok as @reader open-read @secret", "EPERM as @reader open-write @secret"],
  },
]);

const users: readonly Scene[] = [
  {
    name: "the one that is named",
    rule: { except: { uids: [1000] } },
    lines: [
      "ok --uid 1000 open-read @secret",
      "EPERM --uid 1001 open-read @secret",
      "EPERM open-read @secret",
    ],
    event: "read",
  },
  {
    name: "root",
    rule: { except: { uids: [0] } },
    lines: ["ok open-read @secret", "EPERM --uid 1000 open-read @secret", "ok --uid 1000 open-read @control"],
  },
  {
    name: "two of them",
    rule: { except: { uids: [1000, 1001] } },
    lines: [
      "ok --uid 1000 open-read @secret",
      "ok --uid 1001 open-read @secret",
      "EPERM --uid 1002 open-read @secret",
    ],
  },
  {
    name: "of a file that is replaced",
    rule: { except: { uids: [1000] } },
    lines: ["ok replace @secret @new text", "ok --uid 1000 open-read @secret", "EPERM open-read @secret"],
  },
  {
    name: "the largest number",
    rule: { except: { uids: [4294967294] } },
    lines: ["ok --uid 4294967294 open-read @secret", "EPERM --uid 1000 open-read @secret"],
  },
  {
    name: "for a subtree",
    files: ["tree/", "tree/secret"],
    paths: ["tree/**"],
    rule: { except: { uids: [1000] } },
    lines: ["ok --uid 1000 open-read @tree/secret", "EPERM --uid 1001 open-read @tree/secret"],
  },
];

/** The cases of `scope`, `cgroup exception`, `executable exception` and `uid`. */
export const callers: Case[] = [
  ...scenes("scope", scope),
  ...scenes("cgroup exception", cgroups),
  ...scenes("executable exception", executables),
  ...scenes("uid", users),
];
