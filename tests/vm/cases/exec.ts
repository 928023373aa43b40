/** Execution of a file, and reads of it that lead to execution. */

import { type Case, category, equal } from "../guest/case.ts";
import { type Route, routes } from "../guest/route.ts";

const last = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
const make: Route["make"] = (path, t) => t.program(path);
const op = "exec";

const executions: readonly Route[] = [
  { name: "execve", make, words: (f) => ["exec", f], op, named: true },
  { name: "execveat of a descriptor", make, words: (f) => ["execveat", f], op },
  {
    name: "execveat below a directory",
    make,
    words: (f, t) => ["execveat-dir", t.dir(), last(f)],
    op,
    named: true,
  },
  { name: "/proc/self/fd", make, words: (f) => ["exec-proc-fd", f], op },
  {
    name: "through a hard link",
    make,
    before: (f) => Deno.linkSync(f, `${f}.other`),
    words: (f) => ["exec", `${f}.other`],
    op,
  },
  {
    name: "through a symbolic link",
    make,
    before: (f) => Deno.symlinkSync(f, `${f}.other`),
    words: (f) => ["exec", `${f}.other`],
    op,
    named: true,
  },
  { name: "as another user", make, words: (f) => ["--uid", "1000", "exec", f], op, named: true },
  {
    name: "a script",
    make: (path, t) => {
      const script = t.file(path, `#!${t.guest.nothing}`);
      Deno.chmodSync(script, 0o755);
      return script;
    },
    words: (f) => ["exec", f],
    op,
  },
  { name: "a copy in memory is a read", make, words: (f) => ["memfd-exec", f], named: true },
  { name: "mapped for execution is a read", make, words: (f) => ["mmap-exec", f], named: true },
];

/** The cases of `exec`. */
export const exec: Case[] = [
  ...routes("exec", executions),
  ...category("exec", [
    {
      // By the time that the call returns, the kernel holds the interpreter and no longer the script.
      name: "a script, by its interpreter's read of it",
      phases: ["tracepoint"],
      prepare: (t) => {
        for (const name of ["secret", "control"]) {
          Deno.chmodSync(t.file(`${t.dir()}/${name}`, "#!/bin/sh\n:\n"), 0o755);
        }
        t.deny(`${t.dir()}/secret`);
      },
      run: async (t) => {
        const words = ["control", "secret"].map((name) => ["exec", `${t.dir()}/${name}`]);
        equal(t.act.all(words).join(), "ok,ok", "the results");
        const events = await t.events.of(t.ruleId(), 1);
        equal(events.map(({ op, action }) => `${action} ${op}`).join(), "audit read", "the events");
      },
    },
    {
      name: "a script whose interpreter is denied",
      prepare: (t) => {
        for (const name of ["secret", "control"]) {
          const interpreter = t.program(`${t.dir()}/${name}`);
          Deno.chmodSync(t.file(`${t.dir()}/script-of-${name}`, `#!${interpreter}`), 0o755);
        }
        t.deny(`${t.dir()}/secret`);
      },
      run: (t) => {
        const words = ["control", "secret"].map((name) => ["exec", `${t.dir()}/script-of-${name}`]);
        equal(t.act.all(words).join(), "ok,EPERM", "the results");
      },
    },
  ]),
];
