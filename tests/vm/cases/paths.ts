/** The way to a rule's path: directories that are moved or made again, symbolic links that change, names with `..`. */

import type { Case } from "../guest/case.ts";
import { type Scene, scenes } from "../guest/scene.ts";

const reading = { deny: ["read"] };

const parents: readonly Scene[] = [
  {
    name: "moved away, another moved in, its file opened before",
    files: ["a/", "a/secret", "b/", "b/secret", "control"],
    paths: ["a/secret"],
    lines: [
      ...["ok open-read @b/secret", "ok rename @a @old", "ok rename @b @a", "EPERM open-read @a/secret"],
      ...["EPERM open-read @old/secret", "ok open-read @control"],
    ],
    event: "read",
  },
  {
    name: "two levels up, with contents that were opened before",
    files: ["a/b/", "a/b/secret", "x/b/", "x/b/secret", "control"],
    paths: ["a/b/secret"],
    lines: [
      ...["ok open-read @x/b/secret", "ok rename @a @old", "ok rename @x @a", "EPERM open-read @a/b/secret"],
      ...["EPERM open-read @old/b/secret", "ok open-read @control"],
    ],
  },
  {
    name: "four levels up, with contents that were opened before",
    files: ["a/b/c/d/", "a/b/c/d/secret", "x/b/c/d/", "x/b/c/d/secret", "control"],
    paths: ["a/b/c/d/secret"],
    lines: [
      "ok open-read @x/b/c/d/secret",
      "ok rename @a @old",
      "ok rename @x @a",
      "EPERM open-read @a/b/c/d/secret",
      "ok open-read @control",
    ],
  },
  {
    name: "in the middle of the path",
    files: ["a/b/", "a/b/secret", "a/x/", "a/x/secret", "control"],
    paths: ["a/b/secret"],
    lines: [
      "ok open-read @a/x/secret",
      "ok rename @a/b @a/old",
      "ok rename @a/x @a/b",
      "EPERM open-read @a/b/secret",
      "EPERM open-read @a/old/secret",
      "ok open-read @control",
    ],
  },
  {
    name: "replaced by one whose file was not opened before",
    files: ["a/b/", "a/b/secret", "x/b/", "x/b/secret", "control"],
    paths: ["a/b/secret"],
    lines: ["ok rename @a @old", "ok rename @x @a", "EPERM open-read @a/b/secret", "ok open-read @control"],
  },
  {
    name: "moved in, opened by a file handle",
    files: ["a/", "a/secret", "b/", "b/secret", "control"],
    paths: ["a/secret"],
    lines: [
      "ok open-read @b/secret",
      "ok rename @a @old",
      "ok rename @b @a",
      "EPERM handle @a/secret",
      "ok open-read @control",
    ],
  },
  {
    name: "moved in, the file reached by the name of another directory",
    files: ["a/", "a/secret", "b/", "b/secret", "control"],
    paths: ["a/secret"],
    prepare: (t) => Deno.linkSync(`${t.dir()}/b/secret`, `${t.dir()}/other`),
    lines: ["ok open-read @other", "ok rename @a @old", "ok rename @b @a"],
    later: ["EPERM open-read @other", "EPERM open-read @a/secret"],
  },
  {
    name: "removed and made again",
    files: ["a/", "a/secret", "control"],
    paths: ["a/secret"],
    rule: reading,
    lines: [
      ...["ok unlink @a/secret", "ok rmdir @a", "ok mkdir @a", "ok put @a/secret text"],
      ...["EPERM open-read @a/secret", "ok open-read @control"],
    ],
  },
  {
    name: "removed and made again, two levels",
    files: ["a/b/", "a/b/secret", "control"],
    paths: ["a/b/secret"],
    rule: reading,
    lines: [
      ...["ok unlink @a/b/secret", "ok rmdir @a/b", "ok rmdir @a", "ok mkdir @a", "ok mkdir @a/b"],
      ...["ok put @a/b/secret text", "EPERM open-read @a/b/secret", "ok open-read @control"],
    ],
  },
  {
    name: "moved away, made again: a second path of the rule in it",
    files: ["a/", "a/secret", "control"],
    paths: ["a/secret", "a/second"],
    lines: ["ok rename @a @old", "ok mkdir @a", "EPERM creat @a/second"],
  },
  {
    name: "of another case's name is not covered",
    files: ["a/", "a/secret", "b/", "b/secret"],
    paths: ["a/secret"],
    lines: [
      "EPERM open-read @a/secret",
      "ok open-read @b/secret",
      "ok rename @b @c",
      "ok open-read @c/secret",
    ],
  },
];

const swaps: readonly Scene[] = [
  {
    name: "the rule's path is a link: both ends are covered",
    files: ["target", "control"],
    before: ["ok symlink @target @secret"],
    lines: ["EPERM open-read @secret", "EPERM open-read @target", "ok open-read @control"],
  },
  {
    name: "at the end, pointed at another file",
    files: ["target", "other", "control"],
    before: ["ok symlink @target @secret"],
    lines: [
      "EPERM open-read @secret",
      "ok symlink @other @new",
      "ok rename @new @secret",
      "ok open-read @control",
    ],
    later: ["EPERM open-read @secret", "EPERM open-read @other"],
  },
  {
    name: "at the end, replaced by a file",
    files: ["target", "new", "control"],
    before: ["ok symlink @target @secret"],
    lines: ["ok rename @new @secret", "EPERM open-read @secret", "ok open-read @control"],
  },
  {
    name: "at the end, its target replaced",
    files: ["target", "new", "control"],
    before: ["ok symlink @target @secret"],
    lines: [
      "ok rename @new @target",
      "EPERM open-read @secret",
      "EPERM open-read @target",
      "ok open-read @control",
    ],
  },
  {
    name: "at the end, its target not there yet",
    files: ["control"],
    before: ["ok symlink @target @secret"],
    rule: reading,
    lines: [
      "ENOENT open-read @secret",
      "ok put @target text",
      "EPERM open-read @secret",
      "ok open-read @control",
    ],
  },
  {
    name: "in the middle, pointed at another directory",
    files: ["a/", "a/secret", "b/", "b/secret", "control"],
    before: ["ok symlink @a @link"],
    paths: ["link/secret"],
    lines: [
      "EPERM open-read @link/secret",
      "EPERM open-read @a/secret",
      "ok symlink @b @new",
      "ok rename @new @link",
      "ok open-read @control",
    ],
    later: ["EPERM open-read @link/secret", "EPERM open-read @b/secret"],
  },
  {
    name: "in the middle, replaced by a directory",
    files: ["a/", "a/secret", "b/", "b/secret", "control"],
    before: ["ok symlink @a @link"],
    paths: ["link/secret"],
    lines: [
      "ok open-read @b/secret",
      "ok unlink @link",
      "ok rename @b @link",
      "EPERM open-read @link/secret",
      "ok open-read @control",
    ],
  },
  {
    name: "in the middle, its target's file replaced",
    files: ["a/", "a/secret", "new", "control"],
    before: ["ok symlink @a @link"],
    paths: ["link/secret"],
    lines: [
      "ok rename @new @a/secret",
      "EPERM open-read @link/secret",
      "EPERM open-read @a/secret",
      "ok open-read @control",
    ],
  },
  {
    name: "a chain, its middle changed",
    files: ["target", "other", "control"],
    before: ["ok symlink @target @middle", "ok symlink @middle @secret"],
    lines: [
      "EPERM open-read @secret",
      "ok symlink @other @new",
      "ok rename @new @middle",
      "ok open-read @control",
    ],
    later: ["EPERM open-read @secret", "EPERM open-read @other"],
  },
];

const deep = Array.from({ length: 40 }, (_, i) => `d${i}`).join("/");
const traversal: readonly Scene[] = [
  {
    name: "by .. from a directory beside it",
    files: ["secret", "control", "a/b/"],
    lines: ["EPERM open-read @a/b/../../secret", "ok open-read @a/b/../../control"],
  },
  {
    name: "by .. through a symbolic link to a directory",
    files: ["secret", "control", "a/b/"],
    before: ["ok symlink a/b @link"],
    lines: ["EPERM open-read @link/../../secret", "ok open-read @link/../../control"],
  },
  {
    name: "by many .. beyond the root",
    act: (t) => [
      `EPERM open-read /${"../".repeat(60)}${t.dir().slice(1)}/secret`,
      `ok open-read /${"../".repeat(60)}${t.dir().slice(1)}/control`,
    ],
  },
  {
    name: "forty directories deep",
    files: [`${deep}/`, `${deep}/secret`, `${deep}/control`],
    paths: [`${deep}/secret`],
    lines: [`EPERM open-read @${deep}/secret`, `ok open-read @${deep}/control`],
  },
  {
    name: "from the deepest directory, by ..",
    files: ["secret", "control", `${deep}/`],
    lines: [
      `EPERM open-chdir @${deep} ${"../".repeat(40)}secret`,
      `ok open-chdir @${deep} ${"../".repeat(40)}control`,
    ],
  },
  {
    name: "by /proc/self/cwd",
    act: (t) => [
      `EPERM open-chdir ${t.dir()} /proc/self/cwd/secret`,
      `ok open-chdir ${t.dir()} /proc/self/cwd/control`,
    ],
  },
  {
    name: "by a name of 255 bytes",
    files: ["n".repeat(255), "m".repeat(255)],
    paths: ["n".repeat(255)],
    lines: [`EPERM open-read @${"n".repeat(255)}`, `ok open-read @${"m".repeat(255)}`],
  },
  {
    name: "a name of 255 bytes that comes to exist",
    files: ["new", "other"],
    paths: ["n".repeat(255)],
    lines: [
      ...[`ok rename @new @${"n".repeat(255)}`, `EPERM open-read @${"n".repeat(255)}`],
      ...[`ok rename @other @${"n".repeat(254)}`, `ok open-read @${"n".repeat(254)}`],
    ],
  },
];

/** The cases of `parent directory`, `symlink swap` and `traversal`. */
export const paths: Case[] = [
  ...scenes("parent directory", parents),
  ...scenes("symlink swap", swaps),
  ...scenes("traversal", traversal),
];
