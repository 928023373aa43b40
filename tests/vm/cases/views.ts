/** Other views of the file system: bind mounts, mount namespaces, other roots. */

import type { Case, Setup } from "../guest/case.ts";
import { type Route, routes } from "../guest/route.ts";

const last = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** A second directory beside the case's files. */
function beside(t: Setup): string {
  const dir = `${t.dir()}/view`;
  Deno.mkdirSync(dir, { recursive: true });
  return dir;
}

function place(file: string, t: Setup): string {
  return t.file(`${beside(t)}/at-${last(file)}`, "nothing");
}

const binds: readonly Route[] = [
  {
    name: "of the file",
    before: (f, t) => void t.act.one("bind", f, place(f, t)),
    words: (f, t) => ["open-read", `${beside(t)}/at-${last(f)}`],
  },
  {
    name: "of the directory",
    before: (f, t) => {
      Deno.mkdirSync(`${beside(t)}/${last(f)}`);
      t.act.one("bind", t.dir(), `${beside(t)}/${last(f)}`);
    },
    words: (f, t) => ["open-read", `${beside(t)}/${last(f)}/${last(f)}`],
  },
  {
    name: "of the file, made after the policy",
    after: (f, t) => void t.act.one("bind", f, place(f, t)),
    words: (f, t) => ["open-read", `${beside(t)}/at-${last(f)}`],
  },
  {
    name: "of the file, for writing",
    before: (f, t) => void t.act.one("bind", f, place(f, t)),
    words: (f, t) => ["open-write", `${beside(t)}/at-${last(f)}`],
    op: "write",
  },
  {
    name: "of the directory in a mount namespace",
    words: (f, t) => ["bind-open", t.dir(), beside(t), `${beside(t)}/${last(f)}`],
  },
  { name: "attached nowhere", words: (f, t) => ["tree-open", t.dir(), last(f)] },
];

const namespaces: readonly Route[] = [
  { name: "of its own", words: (f) => ["namespace-open", f] },
  { name: "and user namespace of its own", words: (f) => ["user-namespace-open", f] },
  { name: "with the name hidden", words: (f, t) => ["overmount-open", t.dir(), last(f)] },
];

const roots: readonly Route[] = [
  { name: "chroot", words: (f, t) => ["chroot-open", t.dir(), `/${last(f)}`] },
  { name: "pivot_root", words: (f, t) => ["pivot-open", t.dir(), `/${last(f)}`] },
  { name: "/proc/self/root", words: (f) => ["open-read", `/proc/self/root${f}`] },
];

/** The cases of `bind mount`, `mount namespace` and `chroot`. */
export const views: Case[] = [
  ...routes("bind mount", binds),
  ...routes("mount namespace", namespaces),
  ...routes("chroot", roots),
];
