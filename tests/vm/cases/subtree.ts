/** `DIR/**`: all below a directory, whatever comes there and goes from there. */

import type { Case } from "../guest/case.ts";
import { type Scene, scenes } from "../guest/scene.ts";

const paths = ["tree/**"];
const files = ["tree/sub/", "tree/secret", "tree/sub/secret", "control"];
const reading = { deny: ["read"] };
const control = "ok open-read @control";
const deep = Array.from({ length: 60 }, (_, i) => `d${i}`).join("/");

const inside: readonly Scene[] = [
  {
    name: "files in it and below; the directory itself can be listed",
    lines: [
      ...[
        "EPERM open-read @tree/secret",
        "EPERM open-read @tree/sub/secret",
        "EPERM open-write @tree/sub/secret",
      ],
      ...["ok open-dir @tree", control],
    ],
    event: "read",
  },
  { name: "a directory in it cannot be listed", lines: ["EPERM open-dir @tree/sub", "ok open-dir @tree"] },
  {
    name: "a file made later",
    rule: reading,
    lines: ["ok put @tree/new text", "EPERM open-read @tree/new", control],
  },
  {
    name: "its creator may not write",
    lines: ["EPERM creat @tree/new", "EPERM open-read @tree/new", control],
  },
  {
    name: "a directory made later",
    rule: reading,
    lines: ["ok mkdir @tree/new", "ok put @tree/new/file text", "EPERM open-read @tree/new/file", control],
  },
  {
    name: "sixty directories deep",
    files: [`tree/${deep}/`, `tree/${deep}/secret`, "control"],
    lines: [`EPERM open-read @tree/${deep}/secret`, control],
  },
  {
    name: "a symbolic link to it",
    before: ["ok symlink @tree @link"],
    lines: ["EPERM open-read @link/secret", "EPERM open-read @link/sub/secret", control],
  },
  {
    name: "a symbolic link in it to a file outside leaves that alone",
    before: ["ok symlink @control @tree/link"],
    lines: ["ok open-read @tree/link", "EPERM open-read @tree/secret"],
  },
  {
    name: "a name that begins the same is another",
    files: [...files, "tree-too/", "tree-too/file"],
    lines: ["ok open-read @tree-too/file", "EPERM open-read @tree/secret"],
  },
  {
    name: "through a handle, with nothing of the path in memory",
    lines: ["EPERM handle @tree/sub/secret", "ok handle @control"],
  },
  {
    name: "through a bind mount of it elsewhere",
    files: [...files, "view/"],
    lines: [
      "ok bind @tree @view",
      "EPERM open-read @view/secret",
      "EPERM open-read @view/sub/secret",
      "ok umount @view",
    ],
  },
  {
    name: "through a bind mount of a directory in it",
    files: [...files, "view/"],
    lines: ["ok bind @tree/sub @view", "EPERM open-read @view/secret", "ok umount @view", control],
  },
  {
    name: "through a mount namespace, a bind mount and chroot",
    files: [...files, "view/"],
    lines: [
      "EPERM bind-open @tree @view @view/sub/secret",
      "EPERM chroot-open @tree /sub/secret",
      "EPERM pivot-open @tree /sub/secret",
      "EPERM tree-open @tree sub/secret",
    ],
  },
];

const moving: readonly Scene[] = [
  {
    name: "a file moved in",
    files: [...files, "new"],
    lines: ["ok open-read @new", "ok rename @new @tree/sub/new", "EPERM open-read @tree/sub/new", control],
  },
  {
    name: "a directory moved in",
    files: [...files, "d/e/", "d/e/file"],
    lines: ["ok open-read @d/e/file", "ok rename @d @tree/d", "EPERM open-read @tree/d/e/file", control],
  },
  {
    name: "a file linked in: denied by that name",
    files: [...files, "new"],
    lines: ["ok link @new @tree/new", "EPERM open-read @tree/new", control],
  },
  {
    name: "a file moved out",
    lines: ["ok rename @tree/sub/secret @out", "EPERM open-read @out", control],
  },
  {
    name: "a file moved out and on",
    files: [...files, "far/away/"],
    lines: [
      "ok rename @tree/secret @out",
      "ok rename @out @far/away/out",
      "EPERM open-read @far/away/out",
      control,
    ],
  },
  {
    name: "a directory moved out",
    lines: ["ok rename @tree/sub @out", "EPERM open-read @out/secret", "EPERM creat @out/new", control],
  },
  {
    name: "a directory moved out, with directories in it",
    files: ["tree/a/b/c/", "tree/a/b/c/secret", "control"],
    lines: [
      "ok rename @tree/a/b @out",
      "EPERM open-read @out/c/secret",
      "EPERM open-read @out/c/secret",
      control,
    ],
  },
  {
    name: "a file linked out",
    lines: ["ok link @tree/sub/secret @out", "EPERM open-read @out", "EPERM open-write @out", control],
  },
  {
    name: "a file linked out, its name inside deleted",
    lines: ["ok link @tree/sub/secret @out", "ok unlink @tree/sub/secret", "EPERM open-read @out", control],
  },
  {
    name: "linked out before the rule, which is not covered unless it is named",
    before: ["ok link @tree/secret @out", "ok link @tree/sub/secret @out2"],
    paths: ["tree/**", "tree/sub/secret"],
    lines: ["ok open-read @out", "EPERM open-read @tree/secret", "EPERM open-read @out2", control],
  },
  {
    name: "linked out through a descriptor",
    lines: [
      "ok link-proc-fd @tree/secret @out",
      "EPERM open-read @out",
      "ok link-empty-path @tree/secret @out2",
      "EPERM open-read @out2",
    ],
  },
  {
    name: "exchanged with a file outside",
    files: [...files, "new"],
    lines: [
      "ok rename-exchange @new @tree/secret",
      "EPERM open-read @new",
      "EPERM open-read @tree/secret",
      control,
    ],
  },
  {
    name: "exchanged with a file outside, named first",
    files: [...files, "new"],
    lines: [
      "ok rename-exchange @tree/secret @new",
      "EPERM open-read @new",
      "EPERM open-read @tree/secret",
      control,
    ],
  },
  {
    name: "moved away as a whole, and another put there",
    files: [...files, "x/", "x/file"],
    lines: [
      "ok rename @tree @old",
      "EPERM open-read @old/sub/secret",
      "ok open-read @x/file",
      "ok rename @x @tree",
      "EPERM open-read @tree/file",
      control,
    ],
  },
  {
    name: "removed and made again",
    files: ["tree/", "control"],
    rule: reading,
    lines: [
      "ok rmdir @tree",
      "ok mkdir @tree",
      "ok put @tree/file text",
      "EPERM open-read @tree/file",
      control,
    ],
  },
  {
    name: "made for the first time",
    files: ["control"],
    rule: reading,
    lines: [
      "ok mkdir @tree",
      "ok mkdir @tree/a",
      "ok put @tree/a/file text",
      "EPERM open-read @tree/a/file",
      control,
    ],
  },
  {
    name: "moved there for the first time, with contents opened before",
    files: ["x/y/", "x/y/file", "control"],
    lines: ["ok open-read @x/y/file", "ok rename @x @tree", "EPERM open-read @tree/y/file", control],
  },
  {
    name: "the directory above it moved away and another put there",
    files: ["up/tree/", "up/tree/secret", "x/tree/", "x/tree/secret", "control"],
    paths: ["up/tree/**"],
    lines: [
      "ok open-read @x/tree/secret",
      "ok rename @up @old",
      "ok rename @x @up",
      "EPERM open-read @up/tree/secret",
      "EPERM open-read @old/tree/secret",
      control,
    ],
  },
];

const ops: readonly Scene[] = [
  {
    name: "delete",
    files: [...files, "tree/empty/"],
    rule: { deny: ["delete"] },
    lines: [
      "EPERM unlink @tree/secret",
      "EPERM unlink @tree/sub/secret",
      "EPERM rmdir @tree/empty",
      "ok open-read @tree/secret",
      "ok unlink @control",
    ],
    event: "delete",
  },
  {
    name: "delete, of what was made later",
    rule: { deny: ["delete"] },
    lines: [
      "ok put @tree/sub/new text",
      "EPERM unlink @tree/sub/new",
      "ok mkdir @tree/new",
      "EPERM rmdir @tree/new",
    ],
  },
  {
    name: "rename, within, out, and over",
    files: [...files, "new"],
    rule: { deny: ["rename"] },
    lines: [
      "EPERM rename @tree/secret @tree/other",
      "EPERM rename @tree/sub @out",
      "EPERM rename @new @tree/secret",
      "ok rename @control @elsewhere",
    ],
    event: "rename",
  },
  {
    name: "link",
    rule: { deny: ["link"] },
    lines: [
      "EPERM link @tree/sub/secret @out",
      "EPERM link @tree/secret @tree/other",
      "ok link @control @other",
    ],
    event: "link",
  },
  {
    name: "attr, of files and directories",
    rule: { deny: ["attr"] },
    lines: [
      "EPERM chmod @tree/sub/secret 600",
      "EPERM chmod @tree/sub 700",
      "EPERM setxattr @tree/secret user.a b",
      "EPERM utimes @tree/secret",
      "ok chmod @control 600",
    ],
    event: "attr",
  },
  {
    name: "truncate",
    rule: { deny: ["truncate"] },
    lines: [
      "EPERM truncate @tree/sub/secret",
      "EPERM open-trunc @tree/secret",
      "EPERM ftruncate @tree/secret",
      "ok open-read @tree/secret",
      "ok truncate @control",
    ],
    event: "truncate",
  },
  {
    name: "of one operation within one of another",
    paths: ["tree/**"],
    rule: { deny: ["write"] },
    prepare: (t) => t.rule({ id: t.ruleId("sub"), paths: [`${t.dir()}/tree/sub/**`], deny: ["read"] }),
    lines: [
      "ok open-read @tree/secret",
      "EPERM open-write @tree/secret",
      "EPERM open-read @tree/sub/secret",
      "EPERM open-write @tree/sub/secret",
    ],
  },
];

const nested: readonly Scene[] = [
  {
    name: "is covered as if it was named, and stays so where else it is seen",
    files: [...files, "tree/mnt/", "view/"],
    before: ["ok mount tmpfs none @tree/mnt", "ok put @tree/mnt/file text", "ok bind @tree/mnt @view"],
    lines: [
      ...["EPERM open-read @tree/mnt/file", "EPERM open-read @view/file", "EPERM open-read @tree/secret"],
      ...["EPERM bind-open @tree/mnt @tree/sub @tree/sub/file", control],
    ],
    event: "read",
  },
  {
    name: "is covered when it comes later, and what is mounted in it",
    files: [...files, "tree/mnt/"],
    rule: reading,
    lines: [
      ...["ok mount tmpfs none @tree/mnt", "ok put @tree/mnt/file text", "ok mkdir @tree/mnt/more"],
      ...["ok mount tmpfs none @tree/mnt/more", "ok put @tree/mnt/more/file text", control],
    ],
    later: ["EPERM open-read @tree/mnt/file", "EPERM open-read @tree/mnt/more/file", control],
  },
  {
    name: "a directory from elsewhere that is bound there is covered",
    files: [...files, "tree/mnt/", "out/", "out/file"],
    before: ["ok bind @out @tree/mnt"],
    lines: ["EPERM open-read @tree/mnt/file", "EPERM open-read @out/file", control],
  },
  {
    name: "is covered where it is named",
    files: [...files, "tree/mnt/"],
    before: ["ok mount tmpfs none @tree/mnt", "ok put @tree/mnt/file text"],
    paths: ["tree/**", "tree/mnt/**"],
    lines: ["EPERM open-read @tree/mnt/file", "EPERM open-read @tree/secret", control],
  },
  {
    name: "what is mounted over a named directory later",
    files: [...files, "tree/mnt/"],
    paths: ["tree/mnt/**"],
    rule: reading,
    lines: ["ok mount tmpfs none @tree/mnt", "ok put @tree/mnt/file text", control],
    later: ["EPERM open-read @tree/mnt/file"],
  },
  {
    name: "what is mounted over a file's path later",
    files: ["secret", "control", "new"],
    paths: ["secret"],
    lines: ["ok bind @new @secret", control],
    later: ["EPERM open-read @secret", "EPERM open-read @new"],
  },
  {
    name: "what is mounted over a directory of the path later",
    files: ["a/", "a/secret", "control"],
    paths: ["a/secret"],
    rule: reading,
    lines: ["EPERM open-read @a/secret", "ok mount tmpfs none @a", "ok put @a/secret text", control],
    later: ["EPERM open-read @a/secret"],
  },
];

const withDefaults = (scene: Scene): Scene => ({ files, paths, ...scene });

/** The cases of `subtree`, `subtree moved`, `subtree operation` and `nested mount`. */
export const subtree: Case[] = [
  ...scenes("subtree", inside.map(withDefaults)),
  ...scenes("subtree moved", moving.map(withDefaults)),
  ...scenes("subtree operation", ops.map(withDefaults)),
  ...scenes("nested mount", nested.map(withDefaults)),
];
