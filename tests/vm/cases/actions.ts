/** What a decision does: refuse, report, signal; several rules on one file; and what is not the rule's file any more. */

import { type Case, category, type Context, equal, Failure } from "../guest/case.ts";
import { type Scene, scenes } from "../guest/scene.ts";

const signal = ([
  ["term", "signal_15 open-read @secret", "ok open-read @control"],
  ["kill", "signal_9 open-read @secret", "ok open-read @control"],
  ["none", "EPERM open-read @secret", "ok open-read @control"],
] as const).map(([name, ...lines]): Scene => ({ name, rule: { signal: name }, lines, event: "read" }));

const signals: readonly Scene[] = [
  ...signal,
  {
    name: "to an unprivileged user",
    rule: { signal: "kill" },
    lines: ["signal_9 --uid 1000 open-read @secret", "ok --uid 1000 open-read @control"],
  },
  {
    name: "with an operation on a name",
    rule: { signal: "kill", deny: ["delete"] },
    lines: ["signal_9 unlink @secret", "ok open-read @secret", "ok unlink @control"],
    event: "delete",
  },
  {
    name: "not to who is exempt",
    rule: { signal: "kill" },
    lines: ["ok --cgroup %exempt open-read @secret", "signal_9 open-read @secret"],
  },
  {
    name: "not in audit mode",
    rule: { signal: "kill", mode: "audit" },
    lines: ["ok open-read @secret"],
    event: "read",
  },
  {
    name: "below a directory",
    files: ["tree/", "tree/secret", "control"],
    paths: ["tree/**"],
    rule: { signal: "term" },
    lines: ["signal_15 open-read @tree/secret", "ok open-read @control"],
  },
];

const audit: readonly Scene[] = [
  ...([
    ["delete", "unlink @secret"],
    ["rename", "rename @secret @moved"],
    ["link", "link @secret @other"],
    ["attr", "chmod @secret 600"],
    ["truncate", "truncate @secret"],
  ] as const).map(([op, words]): Scene => ({
    name: `of ${op} reports and lets it through`,
    rule: { mode: "audit", deny: [op] },
    lines: [`ok ${words}`],
    event: op,
  })),
  {
    name: "below a directory reports and lets it through",
    files: ["tree/", "tree/secret"],
    paths: ["tree/**"],
    rule: { mode: "audit" },
    lines: ["ok open-read @tree/secret"],
    event: "read",
  },
  {
    name: "of a file that is replaced reports and lets it through",
    rule: { mode: "audit", deny: ["read"] },
    lines: ["ok replace @secret @new text", "ok open-read @secret"],
    event: "read",
  },
  ...(["before", "after"] as const).map((order): Scene => ({
    name: `stated ${order} enforcement of the same file: it is denied`,
    // The case's own rule comes after those of prepare().
    rule: { mode: order === "before" ? "enforce" : "audit" },
    prepare: (t) => {
      const mode = order === "before" ? "audit" : "enforce";
      t.rule({ id: t.ruleId(mode), paths: [`${t.dir()}/secret`], mode });
    },
    lines: ["EPERM open-read @secret", "ok open-read @control"],
    after: async (t) => {
      const [denies, audits] = order === "before"
        ? [t.ruleId(), t.ruleId("audit")]
        : [t.ruleId("enforce"), t.ruleId()];
      equal((await t.events.of(denies))[0]?.action, "deny", "the event's action");
      equal(t.events.decisions(audits), 0, "decisions by the rule that audits");
    },
  })),
  {
    name: "of a directory, enforcement of a file in it",
    files: ["tree/", "tree/secret", "tree/other"],
    paths: ["tree/**"],
    rule: { mode: "audit" },
    prepare: (t) => t.rule({ id: t.ruleId("deny"), paths: [`${t.dir()}/tree/secret`] }),
    lines: ["EPERM open-read @tree/secret", "ok open-read @tree/other"],
  },
  {
    name: "of a file, enforcement of the directory it is in",
    files: ["tree/", "tree/secret", "control"],
    paths: ["tree/secret"],
    rule: { mode: "audit" },
    prepare: (t) => t.rule({ id: t.ruleId("deny"), paths: [`${t.dir()}/tree/**`] }),
    lines: ["EPERM open-read @tree/secret", "ok open-read @control"],
  },
];

/** Rules beside the case's own, on the same file. */
const also = (rules: readonly Record<string, unknown>[]): NonNullable<Scene["prepare"]> => (t) =>
  rules.forEach((rule, i) => t.rule({ id: t.ruleId(String(i)), paths: [`${t.dir()}/secret`], ...rule }));

const several: readonly Scene[] = [
  {
    name: "one for each operation",
    rule: { deny: ["read"] },
    prepare: also([{ deny: ["write"] }, { deny: ["delete"] }, { deny: ["attr"] }]),
    lines: [
      ...[
        "EPERM open-read @secret",
        "EPERM open-write @secret",
        "EPERM unlink @secret",
        "EPERM chmod @secret 600",
      ],
      ...["ok rename @secret @moved", "EPERM open-read @moved"],
    ],
  },
  {
    name: "sixteen, of which the last decides",
    rule: { deny: ["link"] },
    prepare: also(Array.from({ length: 15 }, (_, i) => ({ deny: [i < 14 ? "link" : "read"] }))),
    lines: ["EPERM open-read @secret", "ok open-write @secret", "EPERM link @secret @other"],
  },
  {
    name: "the same operation twice: one decision",
    prepare: also([{}]),
    lines: ["EPERM open-read @secret"],
    after: async (t) => {
      await t.events.of(t.ruleId("0")); // the first of the policy's
      await new Promise((done) => setTimeout(done, 500));
      equal(t.events.decisions(t.ruleId()) + t.events.decisions(t.ruleId("0")), 1, "decisions");
    },
  },
  {
    name: "an exception of one does not open what another denies",
    rule: { except: { uids: [1000] } },
    prepare: also([{ except: { uids: [1001] } }]),
    lines: [
      "EPERM --uid 1000 open-read @secret",
      "EPERM --uid 1001 open-read @secret",
      "EPERM open-read @secret",
    ],
  },
  {
    name: "of two paths of one file",
    before: ["ok link @secret @other"],
    rule: { deny: ["read"] },
    prepare: (t) => t.rule({ id: t.ruleId("other"), paths: [`${t.dir()}/other`], deny: ["write"] }),
    lines: [
      "EPERM open-read @other",
      "EPERM open-write @secret",
      "ok unlink @other",
      "EPERM open-read @secret",
    ],
  },
];

const files: readonly Scene[] = [
  {
    name: "one of two names deleted: the file stays denied",
    before: ["ok link @secret @other"],
    lines: ["ok unlink @secret", "EPERM open-read @other", "ok open-read @control"],
  },
];

/** Makes files or directories until one has the inode number; answers its path. */
function heirOf(ino: number | null, t: Context, make: (path: string) => void): string {
  for (let i = 0; i < 300; i++) {
    const heir = `${t.dir()}/heir${i}`;
    make(heir);
    if (Deno.statSync(heir).ino === ino) return heir;
  }
  throw new Failure("ext4 did not use the number again");
}

const inodeOf = (path: string): number | null => Deno.statSync(path).ino;

const reuse = category("inode reuse", [
  {
    name: "a new file: every operation goes through",
    prepare: (t) => {
      const all = ["read", "write", "exec", "delete", "rename", "link", "attr", "truncate"];
      t.deny(t.file(`${t.dir()}/secret`), { deny: all, except: { cgroups: [exempt(t)] } });
    },
    run: (t) => {
      const secret = `${t.dir()}/secret`, freed = inodeOf(secret);
      equal(t.act.one("unlink", secret), "EPERM", "the deletion of the denied file");
      equal(t.act.one("--cgroup", t.guest.exemptCgroup, "unlink", secret), "ok", "the deletion when exempt");
      const heir = heirOf(freed, t, (path) => void t.file(path));
      const words = [
        ["open-rdwr", heir],
        ["chmod", heir, "600"],
        ["truncate", heir],
        ["link", heir, `${heir}.l`],
        ["rename", heir, `${heir}.r`],
        ["unlink", `${heir}.r`],
      ];
      equal(t.act.all(words).join(), "ok,ok,ok,ok,ok,ok", "operations on the heir of the number");
    },
  },
  {
    name: "a new directory that has the number of one whose subtree was denied",
    prepare: (t) => {
      Deno.mkdirSync(`${t.dir()}/tree`);
      t.deny(`${t.dir()}/tree/**`);
    },
    run: (t) => {
      const freed = inodeOf(`${t.dir()}/tree`);
      Deno.removeSync(`${t.dir()}/tree`);
      const heir = heirOf(freed, t, (path) => Deno.mkdirSync(path));
      t.file(`${heir}/file`);
      equal(t.act.one("open-read", `${heir}/file`), "ok", "a file in the heir of the number");
    },
  },
  {
    name: "a new directory that has the number of one on a rule's path",
    prepare: (t) => {
      Deno.mkdirSync(`${t.dir()}/a`);
      t.deny(`${t.dir()}/a/secret`);
    },
    run: (t) => {
      const freed = inodeOf(`${t.dir()}/a`);
      Deno.removeSync(`${t.dir()}/a`);
      const heir = heirOf(freed, t, (path) => Deno.mkdirSync(path));
      t.file(`${heir}/secret`);
      equal(
        t.act.one("open-read", `${heir}/secret`),
        "ok",
        "the file of that name in the heir of the number",
      );
    },
  },
  {
    name: "a file that stood at the path for a moment",
    prepare: (t) => {
      t.deny(t.file(`${t.dir()}/secret`));
    },
    run: (t) => {
      const secret = `${t.dir()}/secret`;
      const freed = inodeOf(t.file(`${t.dir()}/new`));
      equal(
        t.act.all([["rename", `${t.dir()}/new`, secret], ["open-read", secret], ["unlink", secret]]).join(),
        "ok,EPERM,ok",
        "the file at the path",
      );
      const heir = heirOf(freed, t, (path) => void t.file(path));
      equal(t.act.one("open-read", heir), "ok", "the heir of the number");
    },
  },
  {
    name: "a rule of a number without a generation names whatever has it",
    prepare: (t) => {
      t.rule({ id: t.ruleId(), inodes: [numberOf(t.file(`${t.dir()}/secret`))], deny: ["read"] });
    },
    run: (t) => {
      const freed = inodeOf(`${t.dir()}/secret`);
      Deno.removeSync(`${t.dir()}/secret`);
      const heir = heirOf(freed, t, (path) => void t.file(path));
      equal(
        t.act.all([["open-read", heir], ["open-read", `${t.dir()}/heir0.not`]]).join(),
        "EPERM,ENOENT",
        "the heir",
      );
    },
  },
]);

function exempt(t: Context | Parameters<NonNullable<Case["prepare"]>>[0]): string {
  return t.guest.exemptCgroup.slice(t.guest.cgroupRoot.length);
}

/** A file as a rule's `inodes` names it. */
function numberOf(path: string): string {
  const { dev, ino } = Deno.statSync(path);
  return `${dev >> 8 & 0xfff}:${dev & 0xff | dev >> 12 & 0xfff00}:${ino}`;
}

/** The cases of `signal`, `audit`, `several rules` and `inode reuse`. */
export const actions: Case[] = [
  ...scenes("signal", signals),
  ...scenes("audit", audit),
  ...scenes("several rules", several),
  ...scenes("inode reuse", files),
  ...reuse,
];
