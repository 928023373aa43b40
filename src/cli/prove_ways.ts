/**
 * The ways round a rule, as a process goes them: each function returns when it went through and throws where it was
 * stopped.
 *
 * @module
 */
import { runProgram, systemCall } from "../../ffi/syscall.ts";
import { uringOpen } from "../../ffi/uring_open.ts";
import type { WayName } from "../agent/prove_catalogue.ts";
import type { Operation } from "../policy/operations.ts";
import { CALLER_WAYS, type StandIns } from "./prove_callers.ts";
import {
  access,
  accessAny,
  AT_FDCWD,
  checked,
  execute,
  inOwnMounts,
  MS,
  must,
  O,
  readAll,
  readSecret,
  StepError,
  withHandle,
  withOpen,
} from "./prove_calls.ts";
import { otherFile, type Place } from "./prove_decoys.ts";

/** Goes one way; returns how many times it reached the file, if more than once. */
export type GoWay = (place: Place, op: Operation, standIns: StandIns) => number | void;

const direct: GoWay = ({ file, secret }, op) => access(file, op, secret);

const byBothNames: GoWay = (place, op) => accessAny([place.file, otherFile(place)], op, place.secret);

const byHardLink: GoWay = (place, op) => {
  must("link", "linkat", AT_FDCWD, place.file, AT_FDCWD, alias(place), 0);
  access(alias(place), op, place.secret);
};

const byNewName: GoWay = (place, op) => {
  rename(place.file, alias(place));
  access(alias(place), op, place.secret);
};

const inOtherDirectory: GoWay = (place, op) => {
  rename(place.dir, `${place.aside}/away`);
  access(`${place.aside}/away/decoy`, op, place.secret);
};

const OPENS: Partial<Record<WayName, GoWay>> = {
  "file handle": (place, op) => {
    const handle = new Uint8Array(new ArrayBuffer(8 + HANDLE_BYTES));
    new DataView(handle.buffer).setUint32(0, HANDLE_BYTES, true);
    const mount = new Uint8Array(new ArrayBuffer(8));
    must("name_to_handle_at", "name_to_handle_at", AT_FDCWD, place.file, handle, mount, 0);
    withOpen("open the directory", place.aside, O.RDONLY, (directory) => {
      const fd = must("open_by_handle_at", "open_by_handle_at", directory, handle, flagsOf(op));
      useAndClose(fd, op, place);
    });
  },
  openat2: (place, op) => {
    const how = new BigUint64Array([BigInt(flagsOf(op)), 0n, 0n]);
    const bytes = new Uint8Array(how.buffer);
    useAndClose(must("open", "openat2", AT_FDCWD, place.file, bytes, bytes.length), op, place);
  },
  io_uring: (place, op) => {
    const { step, result } = uringOpen(place.file, flagsOf(op));
    useAndClose(checked(step, result), op, place);
  },
};

const EXECUTIONS = {
  "interpreter of a script": (place: Place) => {
    Deno.writeTextFileSync(alias(place), `#!${place.file}\n`, { mode: 0o700 });
    execute(alias(place));
  },
  "ld.so": ({ file }: Place) => {
    const ended = runProgram(LD_SO, [LD_SO, file]);
    if (typeof ended === "number") throw new StepError("exec of ld.so", `error ${ended}`);
    // It tells why on standard error only; a control that it runs leaves the rule as the reason.
    if (!("exit" in ended) || ended.exit !== 0) throw new StepError("ld.so", "EPERM");
  },
  mmap: ({ file }: Place) => withOpen("open", file, O.RDONLY, (fd) => unmap(map(fd, PROT_READ | PROT_EXEC))),
  mprotect: ({ file }: Place) =>
    withOpen("open", file, O.RDONLY, (fd) => {
      const address = map(fd, PROT_READ);
      try {
        must("mprotect", "mprotect", address, MAP_BYTES, PROT_READ | PROT_EXEC);
      } finally {
        unmap(address);
      }
    }),
  "copy in memory": ({ file }: Place) => {
    const bytes = withOpen("open", file, O.RDONLY, readAll);
    const copy = must("memfd_create", "memfd_create", "copy", 1);
    try {
      must("write", "write", copy, bytes, bytes.length);
      execute(`/proc/self/fd/${copy}`);
    } finally {
      systemCall("close", copy);
    }
  },
};

const CHANGES = {
  truncate: ({ file }: Place) => void must("truncate", "truncate", file, 0),
  "open with O_TRUNC": ({ file }: Place) => withOpen("open", file, O.WRONLY | O.TRUNC, () => {}),
  "truncate without an open": ({ file }: Place) => void must("truncate", "truncate", file, 0),
  delete: ({ file }: Place) => void must("unlink", "unlinkat", AT_FDCWD, file, 0),
  "delete a directory": ({ dir }: Place) =>
    void must("rmdir", "unlinkat", AT_FDCWD, `${dir}/sub`, AT_REMOVEDIR),
  "rename away": (place: Place) => rename(place.file, alias(place)),
  "rename over": (place: Place) => rename(otherFile(place), place.file),
  "rename in exchange": (place: Place) => rename(otherFile(place), place.file, RENAME_EXCHANGE),
  link: (place: Place) => void must("link", "linkat", AT_FDCWD, place.file, AT_FDCWD, alias(place), 0),
  "link of a descriptor": (place: Place) =>
    withHandle(
      place.file,
      (name) => void must("link", "linkat", AT_FDCWD, name, AT_FDCWD, alias(place), AT_SYMLINK_FOLLOW),
    ),
  chmod: ({ file }: Place) => void must("chmod", "fchmodat", AT_FDCWD, file, 0o750),
  "chmod of a descriptor": ({ file }: Place) =>
    withHandle(file, (name) => void must("chmod", "fchmodat", AT_FDCWD, name, 0o750)),
  chown: ({ file }: Place) => void must("chown", "fchownat", AT_FDCWD, file, 0, 0, 0),
  times: ({ file }: Place) => void must("utimensat", "utimensat", AT_FDCWD, file, 0, 0),
  "extended attribute": ({ file }: Place) =>
    void must("setxattr", "setxattr", file, "user.aegisbpf", new Uint8Array([1]), 1, 0),
};

/** Every way of the catalogue. */
export const GO: Readonly<Record<WayName, GoWay>> = {
  ...(OPENS as Required<Pick<typeof OPENS, "file handle" | "openat2" | "io_uring">>),
  ...CALLER_WAYS,
  ...EXECUTIONS,
  ...CHANGES,
  direct,
  symlink: (place, op) => {
    must("symlink", "symlinkat", place.file, AT_FDCWD, alias(place));
    access(alias(place), op, place.secret);
  },
  "hard link": byHardLink,
  rename: byNewName,
  exchange: byBothNames,
  "atomic replace": direct,
  "delete and create": direct,
  "ln -f": byBothNames,
  "created later": direct,
  "created later with its directory": direct,
  "parent renamed": inOtherDirectory,
  "parent swapped": direct,
  "new file": direct,
  nested: direct,
  "new directory": direct,
  "moved in": direct,
  "moved out": byNewName,
  "directory moved out": (place, op) => {
    rename(`${place.dir}/sub`, `${place.aside}/sub`);
    access(`${place.aside}/sub/decoy`, op, place.secret);
  },
  "linked out": byHardLink,
  "bind mount": (place, op) => {
    const elsewhere = `${place.aside}/mounted`;
    must("mkdir", "mkdirat", AT_FDCWD, elsewhere, 0o700);
    inOwnMounts(() => {
      must("mount", "mount", place.dir, elsewhere, "none", MS.BIND, 0);
      access(`${elsewhere}/decoy`, op, place.secret);
    });
  },
  "mount namespace": (place, op) => inOwnMounts(() => access(place.file, op, place.secret)),
  "detached mount": (place, op) => {
    const tree = must("open_tree", "open_tree", AT_FDCWD, place.dir, OPEN_TREE_CLONE | O.CLOEXEC);
    try {
      access(`/proc/self/fd/${tree}/decoy`, op, place.secret);
    } finally {
      systemCall("close", tree);
    }
  },
  chroot: (place, op) =>
    inOwnMounts(() => {
      must("chroot", "chroot", place.dir);
      access("/decoy", op, place.secret);
    }),
  "/proc/self/fd": (place, op) => withHandle(place.file, (name) => access(name, op, place.secret)),
  // For both: whoever opens it for one alone waits for the other end.
  FIFO: ({ file }) => withOpen("open", file, O.RDWR | O.NONBLOCK, () => {}),
  "through an overlay": (place, op) => inOverlay(place, (file) => access(file, op, place.secret)),
  "copied up in an overlay": (place, op) =>
    inOverlay(place, (file) => {
      must("copy-up by chmod", "fchmodat", AT_FDCWD, file, 0o750);
      access(file, op, place.secret);
    }),
};

/** Lays an overlay over the file's directory, for itself alone. */
function inOverlay({ dir, aside, file }: Place, use: (merged: string) => void): void {
  const [upper, work, merged] = ["upper", "work", "merged"].map((name) => `${aside}/${name}`);
  for (const folder of [upper, work, merged]) must("mkdir", "mkdirat", AT_FDCWD, folder ?? "", 0o700);
  inOwnMounts(() => {
    const options = `lowerdir=${dir},upperdir=${upper},workdir=${work}`;
    must("mount of an overlay", "mount", "overlay", merged ?? "", "overlay", 0, options);
    use(`${merged}${file.slice(dir.length)}`);
  });
}

function alias({ aside }: Place): string {
  return `${aside}/alias`;
}

function rename(from: string, to: string, flags = 0): void {
  must("rename", "renameat2", AT_FDCWD, from, AT_FDCWD, to, flags);
}

function flagsOf(op: Operation): number {
  return (op === "write" ? O.WRONLY : O.RDONLY) | O.CLOEXEC;
}

function useAndClose(fd: number, op: Operation, { secret }: Place): void {
  try {
    if (op === "read") readSecret(fd, secret);
  } finally {
    systemCall("close", fd);
  }
}

/** Maps the file's beginning; the address fits a number. */
function map(fd: number, protection: number): number {
  return must("mmap", "mmap", 0, MAP_BYTES, protection, MAP_PRIVATE, fd, 0);
}

function unmap(address: number): void {
  systemCall("munmap", address, MAP_BYTES);
}

const LD_SO = Deno.build.arch === "aarch64" ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";
const HANDLE_BYTES = 128;
const MAP_BYTES = 4096;
const MAP_PRIVATE = 2;
const PROT_READ = 1;
const PROT_EXEC = 4;
const RENAME_EXCHANGE = 2;
const OPEN_TREE_CLONE = 1;
const AT_REMOVEDIR = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;
