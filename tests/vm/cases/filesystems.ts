/** File systems other than the root's, and files that hold no data. */

import type { Case, Context, FileSystem } from "../guest/case.ts";
import { equal, Skip } from "../guest/case.ts";
import { type Scene, scenes } from "../guest/scene.ts";

/** The ways round a rule that hang on how a file system makes its inodes and names. */
const everywhere: readonly Scene[] = [
  {
    name: "open, for reading and for writing",
    lines: ["EPERM open-read @secret", "EPERM open-write @secret", "ok open-rdwr @control"],
    event: "read",
  },
  {
    name: "hard link and rename",
    lines: [
      ...[
        "ok link @secret @other",
        "EPERM open-read @other",
        "ok rename @secret @moved",
        "EPERM open-read @moved",
      ],
      "ok open-read @control",
    ],
  },
  {
    name: "replaced, exchanged, created again",
    files: ["secret", "control", "new", "newer"],
    rule: { deny: ["read"] },
    lines: [
      ...["ok rename @new @secret", "EPERM open-read @secret", "ok rename-exchange @newer @secret"],
      ...[
        "EPERM open-read @secret",
        "EPERM open-read @newer",
        "ok recreate @secret text",
        "EPERM open-read @secret",
      ],
    ],
  },
  {
    name: "its directory moved away and another put there",
    files: ["a/b/", "a/b/secret", "x/b/", "x/b/secret"],
    paths: ["a/b/secret"],
    lines: [
      ...["ok open-read @x/b/secret", "ok rename @a @old", "ok rename @x @a", "EPERM open-read @a/b/secret"],
      "EPERM open-read @old/b/secret",
    ],
  },
  {
    name: "a subtree, moved into and out of",
    files: ["tree/sub/", "tree/sub/secret", "new", "control"],
    paths: ["tree/**"],
    lines: [
      ...["EPERM open-read @tree/sub/secret", "ok rename @new @tree/new", "EPERM open-read @tree/new"],
      ...["ok rename @tree/sub/secret @out", "EPERM open-read @out", "ok open-read @control"],
    ],
  },
  {
    name: "operations on a name",
    rule: { deny: ["delete", "rename", "link", "attr", "truncate"] },
    lines: [
      ...[
        "EPERM unlink @secret",
        "EPERM rename @secret @o",
        "EPERM link @secret @o",
        "EPERM chmod @secret 600",
      ],
      ...["EPERM truncate @secret", "ok open-read @secret", "ok unlink @control"],
    ],
  },
  {
    name: "a file handle",
    lines: ["EPERM handle @secret @", "ok handle @control @"],
  },
];

const on = (fs: FileSystem): Scene[] => everywhere.map((scene) => ({ ...scene, fs }));

/** Until 5.11 kernels do not tell the types of modules, and so not which subvolume an inode is of. */
function needSubvolumes(): void {
  try {
    Deno.statSync("/sys/kernel/btf/btrfs");
  } catch {
    throw new Skip(
      "the kernel does not tell where btrfs keeps an inode's subvolume: no /sys/kernel/btf/btrfs",
    );
  }
}

/** Files of one transaction have one generation too. */
const oneTransaction = [
  ...["ok subvolume @ one", "ok subvolume @ two", "ok put @one/secret text", "ok put @two/secret text"],
  "ok syncfs @",
];

const twoSubvolumes = [
  ...["ok subvolume @ one", "ok put @one/secret text", "ok syncfs @"],
  ...["ok subvolume @ two", "ok put @two/secret text", "ok syncfs @"],
];

const btrfs: readonly Scene[] = [
  ...on("btrfs"),
  {
    name: "two subvolumes with the same inode number, of different transactions",
    fs: "btrfs",
    files: [],
    before: twoSubvolumes,
    paths: ["one/secret"],
    lines: ["EPERM open-read @one/secret", "ok open-read @two/secret", "ok open-write @two/secret"],
    after: (t) => sameNumber(t),
  },
  {
    name: "two subvolumes with the same inode number, of one transaction",
    fs: "btrfs",
    files: [],
    prepare: needSubvolumes,
    before: oneTransaction,
    paths: ["one/secret"],
    lines: [
      ...["EPERM open-read @one/secret", "ok open-read @two/secret", "ok rename @two/secret @two/other"],
      ...["ok link @one/secret @one/other", "EPERM open-read @one/other", "ok open-write @two/other"],
      ...["ok put @one/new text", "ok rename @one/new @one/secret", "EPERM open-read @one/secret"],
    ],
    event: "read",
  },
  {
    name: "a subtree that is a subvolume, beside another of one transaction",
    fs: "btrfs",
    files: [],
    prepare: needSubvolumes,
    before: oneTransaction,
    paths: ["one/**"],
    lines: ["EPERM open-read @one/secret", "ok open-read @two/secret", "EPERM chmod @one/secret 600"],
    rule: { deny: ["read", "attr"] },
  },
  {
    name: "a snapshot, which is a copy, and the file that it is of",
    fs: "btrfs",
    files: [],
    prepare: needSubvolumes,
    before: ["ok subvolume @ one", "ok put @one/secret text", "ok syncfs @", "ok snapshot @one @ before"],
    paths: ["one/secret", "below/**"],
    lines: [
      ...["EPERM open-read @one/secret", "ok open-read @before/secret", "ok snapshot @one @ since"],
      ...["ok open-read @since/secret", "ok mkdir @below", "ok snapshot @one @below new"],
      ...["EPERM open-read @below/new/secret", "EPERM open-read @one/secret"],
    ],
  },
  {
    name: "an inode by its number, which covers it in every subvolume",
    fs: "btrfs",
    files: [],
    paths: [],
    prepare: (t) => {
      const dir = t.dir("btrfs");
      // A number beyond those of all other cases' files, as the rule is about all subvolumes.
      const before = Array.from({ length: 300 }, (_, i) => ["put", `${dir}/one/${i}`, ""]);
      const results = t.act.all([
        ...[["subvolume", dir, "one"], ...before, ["put", `${dir}/one/secret`, "text"]],
        ["snapshot", `${dir}/one`, dir, "two"],
      ]);
      equal(results.find((result) => result !== "ok"), undefined, "a file and its snapshot");
      const [, , device] =
        /^(\S+ ){2}(\d+:\d+) .* - btrfs /m.exec(Deno.readTextFileSync("/proc/self/mountinfo")) ?? [];
      t.rule({
        id: t.ruleId(),
        inodes: [`${device}:${Deno.statSync(`${dir}/one/secret`).ino}`],
        deny: ["read"],
      });
    },
    lines: ["EPERM open-read @one/secret", "EPERM open-read @two/secret", "ok open-write @two/secret"],
  },
  {
    name: "a subtree that is a subvolume",
    fs: "btrfs",
    files: [],
    before: twoSubvolumes,
    paths: ["one/**"],
    lines: ["EPERM open-read @one/secret", "ok open-read @two/secret"],
    after: (t) => sameNumber(t),
  },
  {
    name: "a subvolume below a subtree",
    fs: "btrfs",
    files: ["tree/", "control"],
    before: ["ok subvolume @tree inner", "ok put @tree/inner/secret text"],
    paths: ["tree/**"],
    lines: ["EPERM open-read @tree/inner/secret", "ok open-read @control"],
  },
];

function sameNumber(t: Context): void {
  const [one, two] = ["one", "two"].map((name) => Deno.statSync(`${t.dir("btrfs")}/${name}/secret`).ino);
  equal(one, two, "the inode numbers in both subvolumes");
}

const special: readonly Scene[] = [
  {
    name: "a FIFO",
    files: [],
    before: ["ok mkfifo @secret", "ok mkfifo @control"],
    lines: ["EPERM open-nonblock @secret", "EPERM open-rdwr @secret", "ok open-nonblock @control"],
    event: "read",
  },
  {
    name: "a device node",
    files: [],
    before: ["ok mknod-null @secret", "ok mknod-null @control"],
    lines: ["EPERM open-read @secret", "EPERM open-write @secret", "ok open-read @control"],
    event: "read",
  },
  {
    name: "a socket: its name and attributes",
    files: [],
    before: ["ok sock-bind @secret", "ok sock-bind @control"],
    rule: { deny: ["delete", "rename", "link", "attr"] },
    lines: [
      ...[
        "EPERM unlink @secret",
        "EPERM rename @secret @o",
        "EPERM link @secret @o",
        "EPERM chmod @secret 600",
      ],
      "ok unlink @control",
    ],
    event: "delete",
  },
  {
    name: "a socket, which cannot be opened anyway",
    files: [],
    before: ["ok sock-bind @secret", "ok sock-bind @control"],
    lines: ["EPERM open-read @secret", "ENXIO open-read @control"],
  },
  {
    name: "a symbolic link: its name",
    files: ["target", "control"],
    before: ["ok symlink @target @secret"],
    rule: { deny: ["delete"] },
    lines: ["EPERM unlink @target", "ok unlink @control"],
  },
  {
    name: "a directory: delete and rename",
    files: ["secret/", "control/"],
    rule: { deny: ["delete", "rename"] },
    lines: ["EPERM rmdir @secret", "EPERM rename @secret @o", "ok rename @control @o", "ok rmdir @o"],
  },
];

/** The cases of `tmpfs`, `xfs`, `btrfs` and `special file`. */
export const filesystems: Case[] = [
  ...scenes("tmpfs", on("tmpfs")),
  ...scenes("xfs", on("xfs")),
  ...scenes("btrfs", btrfs),
  ...scenes("special file", special),
];
