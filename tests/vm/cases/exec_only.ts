/** Rules of execution alone: the file can be read, and not be run in any way. */

import { type Case, Failure } from "../guest/case.ts";
import { type Scene, scenes } from "../guest/scene.ts";

const rule = { deny: ["exec"] };
const files = ["secret!", "control!"];

/** The first of some files that is there. */
function firstOf(...paths: string[]): string {
  const found = paths.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Failure(`none of ${paths.join()} is there`);
  return found;
}

const simple = ([
  ["execve", "EPERM exec @secret", "ok exec @control"],
  ["execveat", "EPERM execveat @secret", "ok execveat @control"],
  ["/proc/self/fd", "EPERM exec-proc-fd @secret", "ok exec-proc-fd @control"],
  ["another name", "ok link @secret @other", "EPERM exec @other", "ok exec @control"],
  ["mmap PROT_EXEC", "EPERM mmap-exec @secret", "ok mmap-exec @control"],
  ["mmap that implies PROT_EXEC", "EPERM mmap-implied-exec @secret", "ok mmap-implied-exec @control"],
  ["mprotect PROT_EXEC", "EPERM mprotect-exec @secret", "ok mprotect-exec @control"],
  ["mmap by another name", "ok link @secret @other", "EPERM mmap-exec @other", "EPERM mprotect-exec @other"],
  ["reads go through", "ok open-read @secret", "ok mmap-read @secret", "ok open-append @secret"],
  [
    "a program put there since",
    "ok rename @control @secret",
    "EPERM exec @secret",
    "EPERM mmap-exec @secret",
  ],
] as const).map(([name, ...lines]): Scene => ({ name, files, rule, lines }));

const programs: readonly Scene[] = [
  {
    name: "a script",
    files: [],
    prepare: (t) => {
      for (const name of ["secret", "control"]) {
        Deno.chmodSync(t.file(`${t.dir()}/${name}`, `#!${t.guest.nothing}`), 0o755);
      }
    },
    rule,
    lines: ["EPERM exec @secret", "ok exec @control", "ok open-read @secret"],
    event: "exec",
  },
  {
    name: "a script's interpreter",
    prepare: (t) => {
      for (const name of ["secret", "control"]) {
        Deno.chmodSync(t.file(`${t.dir()}/of-${name}`, `#!${t.dir()}/${name}`), 0o755);
      }
    },
    files,
    rule,
    lines: ["EPERM exec @of-secret", "ok exec @of-control"],
  },
  {
    name: "ld.so FILE",
    files: [],
    prepare: (t) => {
      for (const name of ["secret", "control"]) {
        Deno.copyFileSync(firstOf("/bin/true", "/usr/bin/true"), `${t.dir()}/${name}`);
      }
    },
    rule,
    act: () => {
      const ld = firstOf("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1");
      return [
        `ok exec ${ld} @control`,
        `exit_127 exec ${ld} @secret`,
        "EPERM exec @secret",
        "ok open-read @secret",
      ];
    },
    event: "exec",
  },
  {
    name: "below a directory",
    files: ["bin/", "bin/tool!", "control!"],
    paths: ["bin/**"],
    rule,
    lines: [
      ...["EPERM exec @bin/tool", "EPERM mmap-exec @bin/tool", "EPERM mprotect-exec @bin/tool"],
      ...["ok open-read @bin/tool", "ok exec @control"],
    ],
  },
  {
    name: "from an exempt cgroup",
    files,
    rule,
    lines: [
      ...["ok --cgroup %exempt exec @secret", "ok --cgroup %exempt mmap-exec @secret"],
      ...["ok --cgroup %exempt mprotect-exec @secret", "EPERM exec @secret"],
    ],
  },
];

const memory: readonly Scene[] = [
  {
    name: "a copy needs to be read: denied where reading is",
    files,
    rule: { deny: ["read"] },
    lines: ["EPERM memfd-exec @secret", "ok memfd-exec @control"],
    event: "read",
  },
  {
    name: "a copy of a file that is only not executed is another file",
    files,
    rule,
    lines: ["EPERM exec @secret", "ok memfd-exec @secret", "ok memfd-exec @control"],
  },
];

/** The cases of `exec-only` and `memfd`. */
export const execOnly: Case[] = [
  ...scenes("exec-only", [...simple, ...programs]),
  ...scenes("memfd", memory),
];
