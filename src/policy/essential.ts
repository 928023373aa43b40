/**
 * The files without which nobody gets into the host again: the list that a policy's rules are held against.
 *
 * A file is on it if denying it to everyone stops programs from starting, PID 1 from working, an administrator from
 * logging in, or this agent from being told to stop. Files whose loss only breaks one way in, or that are protected for
 * good reason, are not: `/etc/shadow` and the SSH host keys among them.
 *
 * @module
 */

import type { Operation } from "./operations.ts";

/** A file, or a directory with all below it, that the host or the agent needs. */
export interface Essential {
  readonly path: string;
  /** Everything below `path` is meant too. */
  readonly tree: boolean;
  /** What it is, for a message: `the dynamic loader`. */
  readonly what: string;
  /** Denying one of these operations is what does the harm. */
  readonly needs: readonly Operation[];
  /** Of the agent: a rule that makes an exception for the agent's executable does no harm to it. */
  readonly agent: boolean;
}

/** Where the agent's own files are. */
export interface AgentFiles {
  /** The agent's program. */
  readonly executable: string;
  /** Directories: `/etc/aegisbpf`, and what it writes to, such as `/var/lib/aegisbpf`, `/run/aegisbpf` and the pins. */
  readonly configuration: string;
  readonly writable: readonly string[];
}

/** Directories of the system at the top of the tree; none may be denied as a whole, for any operation. */
export const SYSTEM_DIRECTORIES: readonly string[] = [
  "/",
  ..."bin boot dev etc home lib lib32 lib64 libx32 proc root run sbin sys tmp usr var".split(" ").map((d) =>
    `/${d}`
  ),
];

/** Everything essential on a host that runs this agent. Files that are not there do no harm to the check. */
export function essentialFiles(agent: AgentFiles): readonly Essential[] {
  const host = GROUPS.flatMap(({ paths, ...group }) =>
    paths.map((path): Essential => ({ ...group, path, agent: false }))
  );
  const tree = (path: string, what: string, needs: readonly Operation[]): Essential => (
    { path, tree: true, what, needs, agent: true }
  );
  return [
    ...host,
    { ...programFile(agent.executable, "the agent's program"), agent: true },
    tree(agent.configuration, "the agent's configuration", ["read"]),
    ...agent.writable.map((path) => tree(path, "the agent's own files", ALL_BUT_EXEC)),
  ];
}

/** A file that is read or run as a program, such as what PID 1 has mapped. */
export function programFile(path: string, what: string): Essential {
  return { path, tree: false, what, needs: READ_OR_EXEC, agent: false };
}

const READ_OR_EXEC: readonly Operation[] = ["read", "exec"];
const ALL_BUT_EXEC: readonly Operation[] = ["read", "write", "delete", "rename", "link", "attr", "truncate"];

/** Where each distribution keeps the libraries of its architectures. */
const LIBRARY_DIRECTORIES = [
  "/lib",
  "/lib64",
  "/usr/lib",
  "/usr/lib64",
  "/lib/x86_64-linux-gnu",
  "/lib/aarch64-linux-gnu",
];

/** What login, sshd, sudo and shells are linked with on Debian, Ubuntu, RHEL and their kin. */
const LOGIN_LIBRARIES = [
  "libaudit.so.1",
  "libcap-ng.so.0",
  "libcrypt.so.1",
  "libcrypt.so.2",
  "libcrypto.so.3",
  "libm.so.6",
  "libpam.so.0",
  "libpam_misc.so.0",
  "libpcre2-8.so.0",
  "libselinux.so.1",
  "libtinfo.so.6",
  "libz.so.1",
];

interface Group extends Pick<Essential, "what" | "needs" | "tree"> {
  readonly paths: readonly string[];
}

const GROUPS: readonly Group[] = [
  {
    what: "the dynamic loader",
    needs: READ_OR_EXEC,
    tree: false,
    paths: [
      "/lib64/ld-linux-x86-64.so.2",
      "/lib/ld-linux-aarch64.so.1",
      "/lib/ld-linux.so.2",
      "/lib/ld-musl-x86_64.so.1",
      "/lib/ld-musl-aarch64.so.1",
    ],
  },
  {
    what: "the C library",
    needs: READ_OR_EXEC,
    tree: false,
    paths: LIBRARY_DIRECTORIES.map((directory) => `${directory}/libc.so.6`),
  },
  {
    what: "a library that logins need",
    needs: READ_OR_EXEC,
    tree: false,
    paths: LIBRARY_DIRECTORIES.flatMap((directory) =>
      LOGIN_LIBRARIES.map((library) => `${directory}/${library}`)
    ),
  },
  {
    what: "PID 1",
    needs: READ_OR_EXEC,
    tree: false,
    paths: ["/sbin/init", "/lib/systemd/systemd", "/lib/systemd/systemd-executor"],
  },
  {
    what: "a login program",
    needs: READ_OR_EXEC,
    tree: false,
    paths: [
      "/bin/login",
      "/sbin/agetty",
      "/sbin/getty",
      "/sbin/sulogin",
      "/usr/sbin/sshd",
      "/usr/lib/openssh/sshd-session",
      "/usr/lib/openssh/sshd-auth",
      "/usr/libexec/openssh/sshd-session",
      "/usr/libexec/openssh/sshd-auth",
      "/bin/su",
      "/usr/bin/sudo",
    ],
  },
  { what: "a login shell", needs: READ_OR_EXEC, tree: false, paths: ["/bin/sh", "/bin/bash"] },
  {
    what: "PAM's modules",
    needs: READ_OR_EXEC,
    tree: true,
    paths: LIBRARY_DIRECTORIES.map((directory) => `${directory}/security`),
  },
  { what: "PAM's configuration", needs: ["read"], tree: true, paths: ["/etc/pam.d"] },
  {
    what: "a file that logins read",
    needs: ["read"],
    tree: false,
    paths: [
      "/etc/passwd",
      "/etc/group",
      "/etc/nsswitch.conf",
      "/etc/pam.conf",
      "/etc/sudoers",
      "/etc/ssh/sshd_config",
    ],
  },
  {
    what: "a device that logins open",
    needs: ["read", "write"],
    tree: false,
    paths: ["/dev/null", "/dev/console", "/dev/tty", "/dev/ptmx", "/dev/urandom"],
  },
];
