/** Other names of a file: symbolic links, hard links, and names it got by renaming. */

import type { Case, Setup } from "../guest/case.ts";
import { type Route, routes } from "../guest/route.ts";

/** A second name beside `file`. */
const other = (file: string): string => `${file}.other`;
const open = (file: string): string[] => ["open-read", file];
const openOther = (file: string): string[] => open(other(file));
const once = (t: Setup, ...words: string[]): void => {
  const result = t.act.one(...words);
  if (result !== "ok" && result !== "EEXIST") throw new Error(`${words.join(" ")}: ${result}`);
};
const last = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

const symlinks: readonly Route[] = [
  { name: "absolute", before: (f) => Deno.symlinkSync(f, other(f)), words: openOther, named: true },
  { name: "relative", before: (f) => Deno.symlinkSync(last(f), other(f)), words: openOther, named: true },
  {
    name: "a chain of three",
    before: (f) => {
      Deno.symlinkSync(f, `${f}.1`);
      Deno.symlinkSync(`${f}.1`, `${f}.2`);
      Deno.symlinkSync(`${f}.2`, other(f));
    },
    words: openOther,
    named: true,
  },
  {
    name: "to the directory",
    before: (f, t) => Deno.symlinkSync(t.dir(), other(f)),
    words: (f) => open(`${other(f)}/${last(f)}`),
    named: true,
  },
  {
    name: "made after the policy",
    after: (f, t) => once(t, "symlink", f, other(f)),
    words: openOther,
    named: true,
  },
  {
    name: "for writing",
    before: (f) => Deno.symlinkSync(f, other(f)),
    words: (f) => ["open-write", other(f)],
    op: "write",
    named: true,
  },
];

const hardLinks: readonly Route[] = [
  { name: "made before the policy", before: (f) => Deno.linkSync(f, other(f)), words: openOther },
  { name: "made after the policy", after: (f, t) => once(t, "link", f, other(f)), words: openOther },
  {
    name: "in another directory",
    before: (f, t) => {
      Deno.mkdirSync(`${t.dir()}/elsewhere`, { recursive: true });
      Deno.linkSync(f, `${t.dir()}/elsewhere/${last(f)}`);
    },
    words: (f, t) => open(`${t.dir()}/elsewhere/${last(f)}`),
  },
  {
    name: "whose first name is gone",
    before: (f) => Deno.linkSync(f, other(f)),
    after: (f) => Deno.removeSync(f),
    words: openOther,
  },
  { name: "by AT_EMPTY_PATH", after: (f, t) => once(t, "link-empty-path", f, other(f)), words: openOther },
  { name: "by /proc/self/fd", after: (f, t) => once(t, "link-proc-fd", f, other(f)), words: openOther },
  {
    name: "for writing",
    before: (f) => Deno.linkSync(f, other(f)),
    words: (f) => ["open-write", other(f)],
    op: "write",
  },
];

const renames: readonly Route[] = [
  { name: "in its directory", after: (f, t) => once(t, "rename", f, other(f)), words: openOther },
  { name: "without replacing", after: (f, t) => once(t, "rename-noreplace", f, other(f)), words: openOther },
  {
    name: "to another directory",
    after: (f, t) => {
      Deno.mkdirSync(`${t.dir()}/elsewhere`, { recursive: true });
      once(t, "rename", f, `${t.dir()}/elsewhere/${last(f)}`);
    },
    words: (f, t) => open(`${t.dir()}/elsewhere/${last(f)}`),
  },
  {
    name: "exchanged with another file",
    before: (f, t) => void t.file(other(f)),
    after: (f, t) => once(t, "rename-exchange", f, other(f)),
    words: openOther,
  },
  {
    name: "over another file",
    before: (f, t) => void t.file(other(f)),
    after: (f, t) => once(t, "rename", f, other(f)),
    words: openOther,
  },
];

/** The cases of `symlink`, `hard link` and `rename`. */
export const names: Case[] = [
  ...routes("symlink", symlinks),
  ...routes("hard link", hardLinks),
  ...routes("rename", renames),
];
