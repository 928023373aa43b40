/** Opens of a file by its own name, in each mode and through each system call; also on tmpfs. */

import { type Case, category, equal } from "../guest/case.ts";
import { type Route, routes } from "../guest/route.ts";

const named = true;
const skips = { ENOSYS: "this architecture has openat alone" };
const opens: readonly Route[] = [
  { name: "for reading", words: (f) => ["open-read", f], named },
  { name: "for writing", words: (f) => ["open-write", f], op: "write", named },
  { name: "for both", words: (f) => ["open-rdwr", f], op: "any", named },
  { name: "for appending", words: (f) => ["open-append", f], op: "write", named },
  { name: "truncating", words: (f) => ["open-trunc", f], op: "any", named },
  { name: "O_CREAT of what exists", words: (f) => ["open-create", f], op: "write", named },
  { name: "without blocking", words: (f) => ["open-nonblock", f], named },
  { name: "creat", words: (f) => ["creat", f], op: "any", named },
  { name: "open, the old system call", words: (f) => ["open-legacy", f], named, skips },
  { name: "creat, the old system call", words: (f) => ["creat-legacy", f], op: "any", named, skips },
  { name: "openat below a directory", words: (f, t) => ["openat", t.dir(), base(f)], named },
  { name: "relative to the working directory", words: (f, t) => ["open-chdir", t.dir(), base(f)], named },
  { name: "through ..", words: (f, t) => ["open-read", `${t.dir()}/../${base(t.dir())}/${base(f)}`], named },
  { name: "through . and //", words: (f, t) => ["open-read", `${t.dir()}/.//${base(f)}`], named },
  { name: "mapped", words: (f) => ["mmap-read", f], named },
  { name: "as another user", words: (f) => ["--uid", "1000", "open-read", f], named },
];

/** The cases of `direct` and `tmpfs`. */
export const direct: Case[] = [
  ...routes("direct", opens),
  ...category("direct", [
    {
      name: "O_PATH and stat give no data and go through",
      prepare: (t) => {
        t.deny(t.file(`${t.dir()}/secret`));
      },
      run: (t) => {
        const file = `${t.dir()}/secret`;
        equal(
          t.act.all([["open-path", file], ["stat", file], ["open-read", file]]).join(),
          "ok,ok,EPERM",
          "the results",
        );
      },
    },
    {
      name: "the same name in another directory opens",
      prepare: (t) => {
        for (const sub of ["a", "b"]) {
          Deno.mkdirSync(`${t.dir()}/${sub}`);
          t.file(`${t.dir()}/${sub}/secret`);
        }
        t.deny(`${t.dir()}/a/secret`);
      },
      run: (t) => {
        const words = ["a", "b"].map((sub) => ["open-read", `${t.dir()}/${sub}/secret`]);
        equal(t.act.all(words).join(), "EPERM,ok", "the results");
      },
    },
    {
      name: "by device and inode number",
      prepare: (t) => {
        const { dev, ino } = Deno.statSync(t.file(`${t.dir()}/secret`));
        t.file(`${t.dir()}/control`);
        t.rule({
          id: t.ruleId(),
          inodes: [`${dev >> 8 & 0xfff}:${dev & 0xff | dev >> 12 & 0xfff00}:${ino}`],
        });
      },
      run: (t) => {
        const words = ["secret", "control"].map((name) => ["open-read", `${t.dir()}/${name}`]);
        equal(t.act.all(words).join(), "EPERM,ok", "the results");
      },
    },
    {
      name: "a new file with a freed inode number opens",
      prepare: (t) => {
        t.deny(t.file(`${t.dir()}/secret`));
      },
      run: (t) => {
        const secret = `${t.dir()}/secret`;
        equal(t.act.one("open-read", secret), "EPERM", "the denied file");
        const freed = Deno.statSync(secret).ino;
        Deno.removeSync(secret);
        for (let i = 0; i < 200; i++) {
          const heir = t.file(`${t.dir()}/heir${i}`);
          if (Deno.statSync(heir).ino !== freed) continue;
          equal(t.act.one("open-read", heir), "ok", "the heir of the inode number");
          return;
        }
        throw new Error("ext4 did not use the number again");
      },
    },
  ]),
  ...routes("tmpfs", [
    { name: "for reading", words: (f) => ["open-read", f], fs: "tmpfs", named },
    { name: "for writing", words: (f) => ["open-write", f], op: "write", fs: "tmpfs", named },
    {
      name: "by a hard link",
      before: (f, t) => Deno.linkSync(f, `${t.dir("tmpfs")}/name-of-${base(f)}`),
      words: (f, t) => ["open-read", `${t.dir("tmpfs")}/name-of-${base(f)}`],
      fs: "tmpfs",
    },
    {
      name: "by a file handle",
      words: (f, t) => ["handle", f, t.dir("tmpfs")],
      fs: "tmpfs",
    },
  ]),
];

function base(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
