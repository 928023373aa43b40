/** What comes to stand at a rule's path after the policy was applied is covered too, from that moment on. */

import type { Case } from "../guest/case.ts";
import { type Scene, scenes } from "../guest/scene.ts";

const reading = { deny: ["read"] };

const replace: readonly Scene[] = [
  {
    name: "a new file renamed over it; the old one under another name",
    before: ["ok link @secret @old"],
    lines: [
      ...["ok put @new text", "ok open-read @new", "ok rename @new @secret", "EPERM open-read @secret"],
      ...["EPERM open-write @secret", "EPERM open-read @old", "ok open-read @control"],
    ],
    event: "read",
  },
  {
    name: "twenty times over, each denied at once",
    lines: Array.from({ length: 20 }, () => [
      ...["ok put @new text", "ok rename @new @secret", "EPERM open-read @secret"],
    ]).flat(),
  },
  {
    name: "by a file whose name was opened before",
    files: ["secret", "control", "new"],
    lines: [
      "ok open-read @new",
      "ok rename @new @secret",
      "EPERM open-read @secret",
      "ok open-read @control",
    ],
  },
  {
    name: "by a file from another directory",
    files: ["secret", "control", "a/", "a/new"],
    lines: ["ok rename @a/new @secret", "EPERM open-read @secret", "ok open-read @control"],
  },
  {
    name: "by a program, which does not execute",
    files: ["secret!", "control!", "new!"],
    lines: ["ok exec @new", "ok rename @new @secret", "EPERM exec @secret", "ok exec @control"],
    event: "exec",
  },
  {
    name: "by io_uring",
    files: ["secret", "control", "new"],
    lines: ["ok uring-rename @new @secret", "EPERM open-read @secret", "ok open-read @control"],
    skips: {
      "setup io_uring_setup ENOSYS": "the kernel is built without io_uring",
      "setup io_uring_setup EPERM": "io_uring is switched off (kernel.io_uring_disabled)",
      EINVAL: "io_uring of this kernel cannot rename (5.11)",
    },
  },
  {
    name: "and moved on: the file stays denied under its last name",
    files: ["secret", "control", "new"],
    lines: ["ok rename @new @secret", "ok rename @secret @elsewhere", "EPERM open-read @elsewhere"],
  },
  {
    name: "leaving a whiteout at its old name",
    files: ["secret", "control", "new"],
    lines: ["ok rename-whiteout @new @secret", "EPERM open-read @secret", "ok open-read @control"],
  },
  {
    name: "from an exempt cgroup, which still may read it",
    lines: [
      ...["ok --cgroup %exempt replace @secret @new text", "EPERM open-read @secret"],
      ...["ok --cgroup %exempt open-read @secret", "ok open-read @control"],
    ],
  },
];

const recreate: readonly Scene[] = [
  {
    name: "deleted and created again",
    rule: reading,
    lines: [
      ...["ok unlink @secret", "ENOENT open-read @secret", "ok put @secret text", "EPERM open-read @secret"],
      "ok open-read @control",
    ],
    event: "read",
  },
  {
    name: "by its creator too: the creating open is one for writing",
    lines: ["ok unlink @secret", "EPERM creat @secret", "EPERM open-read @secret", "ok creat @control"],
    event: "write",
  },
  {
    name: "ln -f: another file linked there",
    files: ["secret", "control", "new"],
    lines: [
      ...["ok unlink @secret", "ok link @new @secret", "EPERM open-read @secret", "EPERM open-read @new"],
      "ok open-read @control",
    ],
  },
  {
    name: "a file without a name linked there",
    lines: [
      "ok unlink @secret",
      "ok link-tmpfile @ @secret",
      "EPERM open-read @secret",
      "ok open-read @control",
    ],
  },
  {
    name: "linked there through a descriptor",
    files: ["secret", "control", "new"],
    lines: ["ok unlink @secret", "ok link-proc-fd @new @secret", "EPERM open-read @secret"],
  },
  {
    name: "as a FIFO",
    lines: ["ok unlink @secret", "ok mkfifo @secret", "EPERM open-nonblock @secret", "ok open-read @control"],
  },
  {
    name: "as a device node",
    lines: ["ok unlink @secret", "ok mknod-null @secret", "EPERM open-read @secret", "ok open-read @control"],
  },
  {
    name: "as a directory, which cannot be listed",
    lines: ["ok unlink @secret", "ok mkdir @secret", "EPERM open-dir @secret", "ok open-read @control"],
  },
  {
    name: "with O_EXCL",
    lines: ["ok unlink @secret", "EPERM open-excl @secret", "EPERM open-read @secret", "ok open-excl @other"],
  },
  {
    name: "twenty times over",
    rule: reading,
    lines: Array.from({ length: 20 }, () => ["ok recreate @secret text", "EPERM open-read @secret"]).flat(),
  },
];

const exchange: readonly Scene[] = [
  {
    name: "with another file: both are denied",
    files: ["secret", "control", "new"],
    lines: [
      ...["ok open-read @new", "ok rename-exchange @secret @new", "EPERM open-read @secret"],
      ...["EPERM open-read @new", "ok open-read @control"],
    ],
  },
  {
    name: "named the other way round",
    files: ["secret", "control", "new"],
    lines: ["ok rename-exchange @new @secret", "EPERM open-read @secret", "EPERM open-read @new"],
  },
  {
    name: "of the directories that hold it",
    files: ["a/", "a/secret", "b/", "b/secret", "control"],
    paths: ["a/secret"],
    lines: [
      ...["ok open-read @b/secret", "ok rename-exchange @a @b", "EPERM open-read @a/secret"],
      ...["EPERM open-read @b/secret", "ok open-read @control"],
    ],
  },
  {
    name: "of a file and a directory",
    files: ["secret", "control", "d/", "d/inner"],
    lines: ["ok rename-exchange @d @secret", "EPERM open-read @d", "ok open-read @control"],
  },
];

const absent: readonly Scene[] = [
  {
    name: "a file created later",
    files: ["control"],
    rule: reading,
    lines: [
      "ENOENT open-read @secret",
      "ok put @secret text",
      "EPERM open-read @secret",
      "ok open-read @control",
    ],
    event: "read",
  },
  {
    name: "a file moved there later",
    files: ["control", "new"],
    lines: ["ok rename @new @secret", "EPERM open-read @secret", "ok open-read @control"],
  },
  {
    name: "a file linked there later",
    files: ["control", "new"],
    lines: [
      "ok link @new @secret",
      "EPERM open-read @secret",
      "EPERM open-read @new",
      "ok open-read @control",
    ],
  },
  {
    name: "its directory made later",
    files: ["control"],
    paths: ["a/secret"],
    rule: reading,
    lines: [
      "ok mkdir @a",
      "ok put @a/secret text",
      "EPERM open-read @a/secret",
      "ok put @a/other text",
      "ok open-read @a/other",
    ],
  },
  {
    name: "three directories made later",
    files: ["control"],
    paths: ["a/b/c/secret"],
    rule: reading,
    lines: [
      "ok mkdir @a",
      "ok mkdir @a/b",
      "ok mkdir @a/b/c",
      "ok put @a/b/c/secret text",
      "EPERM open-read @a/b/c/secret",
      "ok open-read @control",
    ],
  },
  {
    name: "its directory moved there later, with the file in it",
    files: ["control", "x/", "x/secret"],
    paths: ["a/secret"],
    lines: [
      "ok open-read @x/secret",
      "ok rename @x @a",
      "EPERM open-read @a/secret",
      "ok open-read @control",
    ],
  },
  {
    name: "a symbolic link made later",
    files: ["control", "new"],
    lines: ["ok open-read @new", "ok symlink @new @secret", "ok open-read @control"],
    later: ["EPERM open-read @secret", "EPERM open-read @new"],
  },
];

/** The cases of `replace`, `recreate`, `exchange` and `absent path`. */
export const places: Case[] = [
  ...scenes("replace", replace),
  ...scenes("recreate", recreate),
  ...scenes("exchange", exchange),
  ...scenes("absent path", absent),
];
