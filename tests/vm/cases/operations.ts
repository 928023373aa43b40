/** Rules of single operations: each stops its own and lets the others through. */

import type { Case } from "../guest/case.ts";
import { type Scene, scenes } from "../guest/scene.ts";

const deny = (...ops: string[]) => ({ deny: ops });

const truncate = ([
  ["truncate", "EPERM truncate @secret", "ok truncate @control"],
  ["ftruncate", "EPERM ftruncate @secret", "ok ftruncate @control"],
  ["O_TRUNC", "EPERM open-trunc @secret", "ok open-trunc @control"],
  ["O_TRUNC for reading", "EPERM open-read-trunc @secret", "ok open-read-trunc @control"],
  ["creat", "EPERM creat @secret", "ok creat @control"],
  ["as another name", "ok link @secret @other", "EPERM truncate @other", "ok truncate @control"],
  [
    "others go through",
    "ok open-read @secret",
    "ok open-append @secret",
    "ok chmod @secret 600",
    "ok utimes @secret",
  ],
  ["of a file replaced since", "ok rename @control @secret", "EPERM truncate @secret"],
] as const).map(([name, ...lines]): Scene => ({ name, rule: deny("truncate"), lines }));

const remove: readonly Scene[] = [
  ...([
    ["unlink", "EPERM unlink @secret", "ok unlink @control"],
    [
      "by another name",
      "ok link @secret @other",
      "EPERM unlink @other",
      "EPERM unlink @secret",
      "ok unlink @control",
    ],
    ["by io_uring", "EPERM uring-unlink @secret", "ok uring-unlink @control"],
    [
      "others go through",
      "ok open-rdwr @secret",
      "ok chmod @secret 600",
      "ok truncate @secret",
      "ok link @secret @o",
    ],
    ["of a file renamed since", "ok rename @secret @moved", "EPERM unlink @moved", "ok unlink @control"],
    [
      "as another user than root",
      "ok chmod @ 777",
      "EPERM --uid 1000 unlink @secret",
      "ok --uid 1000 unlink @control",
    ],
  ] as const).map(([name, ...lines]): Scene => ({
    name,
    rule: deny("delete"),
    lines,
    skips: {
      "setup io_uring_setup EPERM": "io_uring is switched off (kernel.io_uring_disabled)",
      EINVAL: "io_uring of this kernel cannot unlink (5.11)",
    },
  })),
  {
    name: "rmdir of a directory",
    files: ["secret/", "control/"],
    rule: deny("delete"),
    lines: ["EPERM rmdir @secret", "ok rmdir @control"],
    event: "delete",
  },
  {
    name: "is reported as such",
    rule: deny("delete"),
    lines: ["EPERM unlink @secret"],
    event: "delete",
  },
];

const rename = ([
  ["away", "EPERM rename @secret @elsewhere", "ok rename @control @elsewhere"],
  ["over it", "ok put @new text", "EPERM rename @new @secret", "ok rename @new @control"],
  [
    "in an exchange, first",
    "EPERM rename-exchange @secret @control",
    "ok put @new x",
    "ok rename-exchange @new @control",
  ],
  [
    "in an exchange, second",
    "EPERM rename-exchange @control @secret",
    "ok put @new x",
    "ok rename-exchange @control @new",
  ],
  [
    "without replacing",
    "EPERM rename-noreplace @secret @elsewhere",
    "ok rename-noreplace @control @elsewhere",
  ],
  [
    "of another name",
    "ok link @secret @other",
    "EPERM rename @other @elsewhere",
    "ok rename @control @elsewhere",
  ],
  [
    "others go through",
    "ok open-rdwr @secret",
    "ok link @secret @o",
    "ok chmod @secret 600",
    "ok unlink @secret",
  ],
] as const).map(([name, ...lines]): Scene => ({ name, rule: deny("rename"), lines }));

const link = ([
  ["link", "EPERM link @secret @other", "ok link @control @other"],
  [
    "by a symbolic link",
    "ok symlink @secret @s",
    "EPERM link-follow @s @other",
    "ok symlink @control @c",
    "ok link-follow @c @other",
  ],
  ["by AT_EMPTY_PATH", "EPERM link-empty-path @secret @other", "ok link-empty-path @control @other"],
  ["by /proc/self/fd", "EPERM link-proc-fd @secret @other", "ok link-proc-fd @control @other"],
  [
    "others go through",
    "ok open-rdwr @secret",
    "ok symlink @secret @o",
    "ok chmod @secret 600",
    "ok rename @secret @r",
  ],
] as const).map(([name, ...lines]): Scene => ({ name, rule: deny("link"), lines }));

const attr = ([
  ["chmod", "EPERM chmod @secret 600", "ok chmod @control 600"],
  ["fchmod", "EPERM fchmod @secret 600", "ok fchmod @control 600"],
  ["chmod by /proc/self/fd", "EPERM chmod-proc-fd @secret 600", "ok chmod-proc-fd @control 600"],
  ["chown", "EPERM chown @secret 1000", "ok chown @control 1000"],
  ["utimes", "EPERM utimes @secret", "ok utimes @control"],
  ["setxattr", "EPERM setxattr @secret user.a b", "ok setxattr @control user.a b"],
  ["a security attribute", "EPERM setxattr @secret security.a b", "ok setxattr @control security.a b"],
  ["an access control list", "EPERM set-acl @secret", "ok set-acl @control"],
  ["by another name", "ok link @secret @other", "EPERM chmod @other 600", "ok chmod @control 600"],
  [
    "others go through",
    "ok open-rdwr @secret",
    "ok truncate @secret",
    "ok rename @secret @r",
    "ok unlink @r",
  ],
] as const).map(([name, ...lines]): Scene => ({ name, rule: deny("attr"), lines }));

const had: readonly Scene[] = [
  {
    name: "removexattr",
    before: ["ok setxattr @secret user.a b", "ok setxattr @control user.a b"],
    rule: deny("attr"),
    lines: [
      "EPERM removexattr @secret user.a",
      "ok getxattr @secret user.a",
      "ok removexattr @control user.a",
    ],
    event: "attr",
  },
  {
    name: "removal of an access control list",
    before: ["ok set-acl @secret", "ok set-acl @control"],
    rule: deny("attr"),
    lines: [
      ...["EPERM removexattr @secret system.posix_acl_access", "ok getxattr @secret system.posix_acl_access"],
      "ok removexattr @control system.posix_acl_access",
    ],
  },
];

const single: readonly Scene[] = [
  {
    name: "write: readers go through",
    rule: deny("write"),
    lines: [
      ...[
        "ok open-read @secret",
        "ok mmap-read @secret",
        "EPERM open-write @secret",
        "EPERM open-rdwr @secret",
      ],
      ...["EPERM open-append @secret", "EPERM open-trunc @secret", "ok open-rdwr @control"],
    ],
    event: "write",
  },
  {
    name: "write: a reader's descriptor does not become a writer's",
    rule: deny("write"),
    lines: ["EPERM reopen-read @secret", "ok reopen-read @control"],
  },
  {
    name: "write: execution goes through",
    files: ["secret!", "control!"],
    rule: deny("write"),
    lines: ["ok exec @secret", "EPERM open-write @secret", "ok open-write @control"],
  },
  {
    name: "read: writers go through",
    rule: deny("read"),
    lines: [
      "ok open-write @secret",
      "ok open-append @secret",
      "EPERM open-rdwr @secret",
      "EPERM open-read @secret",
    ],
    event: "read",
  },
  {
    name: "read: execution goes through",
    files: ["secret!", "control!"],
    rule: deny("read"),
    lines: [
      "ok exec @secret",
      "EPERM open-read @secret",
      "EPERM memfd-exec @secret",
      "ok memfd-exec @control",
    ],
  },
  {
    name: "read: a directory cannot be listed, and names in it can be used",
    files: ["secret/", "secret/inner", "control/"],
    rule: deny("read"),
    lines: ["EPERM open-dir @secret", "ok open-read @secret/inner", "ok open-dir @control"],
  },
  {
    name: "delete, rename and truncate: what is needed to keep a log",
    rule: deny("delete", "rename", "truncate"),
    lines: [
      ...[
        "ok open-append @secret",
        "ok open-read @secret",
        "EPERM unlink @secret",
        "EPERM rename @secret @x",
      ],
      ...["EPERM truncate @secret", "EPERM rename @control @secret", "ok unlink @control"],
    ],
  },
];

/** The cases of `truncate`, `delete`, `rename denied`, `link denied`, `attr` and `single operation`. */
export const operations: Case[] = [
  ...scenes("truncate", truncate),
  ...scenes("delete", remove),
  ...scenes("rename denied", rename),
  ...scenes("link denied", link),
  ...scenes("attr", [...attr, ...had]),
  ...scenes("single operation", single),
];
