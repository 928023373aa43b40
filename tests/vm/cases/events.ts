/** What is reported of a decision, and that the counts are exact. */

import { type Case, category, check, equal } from "../guest/case.ts";

const events = category("events", [
  {
    name: "say which file, who, how and why",
    phases: ["enforce", "fentry"],
    prepare: (t) => {
      t.deny(t.file(`${t.dir()}/secret`));
    },
    run: async (t) => {
      const file = `${t.dir()}/secret`;
      t.act.one("--cgroup", t.guest.plainCgroup, "--uid", "1000", "open-read", file);
      const event = (await t.events.of(t.ruleId()))[0];
      check(event, "no event came");
      equal(event.file.path, file, "file.path");
      equal(Number(event.file.ino), Deno.statSync(file).ino, "file.ino");
      equal(event.process.uid, 1000, "process.uid");
      equal(event.process.comm, "act", "process.comm");
      equal(event.process.exe, t.act.program, "process.exe");
      equal(
        event.process.cgroup.path,
        t.guest.plainCgroup.slice(t.guest.cgroupRoot.length),
        "process.cgroup.path",
      );
      equal(event.backend, t.phase === "enforce" ? t.guest.backend : t.phase, "backend");
      equal(event.action, t.phase === "enforce" ? "deny" : "audit", "action");
    },
  },
  {
    name: "of a flood stand for every decision",
    prepare: (t) => {
      t.deny(t.file(`${t.dir()}/secret`));
    },
    run: async (t) => {
      const result = t.act.one("--repeat", "5000", "open-read", `${t.dir()}/secret`);
      await t.agent.refusedAll(result);
      equal(result, "EPERM=5000", "the flood");
      const all = await t.events.of(t.ruleId(), 5000);
      equal(all.reduce((sum, event) => sum + event.count, 0), 5000, "the events' counts");
    },
  },
  {
    name: "have the path that a process in another root or mount namespace used, as it used it",
    phases: ["enforce", "fentry"],
    prepare: (t) => {
      t.deny(t.file(`${t.dir()}/secret`));
      Deno.mkdirSync(`${t.dir()}-view`);
    },
    run: async (t) => {
      const view = `${t.dir()}-view`;
      t.act.one("chroot-open", t.dir(), "/secret");
      t.act.one("bind-open", t.dir(), view, `${view}/secret`);
      const all = await t.events.of(t.ruleId(), 2);
      const [first] = all;
      check(first, "no event came");
      equal(first.file.path, "/secret", "the path below the other root");
      equal(first.file.path_source, "kernel", "where it is from");
      equal(all.reduce((sum, event) => sum + event.count, 0), 2, "the events' counts");
    },
  },
  {
    name: "are right for a process and a file that are gone when they are written",
    phases: ["enforce", "fentry"],
    prepare: (t) => {
      t.deny(t.file(`${t.dir()}/secret`));
    },
    run: async (t) => {
      const file = `${t.dir()}/secret`;
      const { ino } = Deno.statSync(file);
      t.act.one("--cgroup", t.guest.plainCgroup, "open-read", file);
      Deno.removeSync(file);
      const event = (await t.events.of(t.ruleId()))[0];
      check(event, "no event came");
      equal(event.file.path, file, "file.path");
      equal(Number(event.file.ino), ino, "file.ino");
      equal(event.process.exe, t.act.program, "process.exe");
      check(event.process.pid > 0, "a pid");
    },
  },
  {
    name: "are not sent for an open that no rule names",
    prepare: (t) => {
      t.deny(t.file(`${t.dir()}/secret`));
      t.file(`${t.dir()}/control`);
    },
    run: async (t) => {
      equal(t.act.one("--repeat", "500", "open-read", `${t.dir()}/control`), "ok=500", "the control");
      t.act.one("open-read", `${t.dir()}/secret`);
      await t.events.of(t.ruleId());
      equal(
        t.events.all().filter((event) => event.file.path.endsWith(`${t.dir()}/control`)).length,
        0,
        "events of it",
      );
    },
  },
]);

/** The cases of `events`. */
export const reporting: Case[] = events;
