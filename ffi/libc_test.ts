import assert from "node:assert/strict";
import {
  BPF_FS_MAGIC,
  cString,
  duplicate,
  FileDescriptor,
  fileSystemType,
  mount,
  openAt,
  OpenFlags,
  openPath,
  raiseMemlockLimit,
  sealedMemoryFile,
  statFd,
  unlink,
} from "./libc.ts";
import { TemporaryBpffs } from "./test_support.ts";

Deno.test("openAt() opens below a directory and statFd() tells what Deno tells", () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/file`, "12345", { mode: 0o640 });
    using directory = openAt(folder, { flags: OpenFlags.Directory });
    using file = openAt("file", { directory });
    const status = statFd(file.fd);
    const expected = Deno.statSync(`${folder}/file`);
    assert.equal(status.inode, BigInt(expected.ino ?? 0));
    assert.equal(status.size, 5n);
    assert.equal(status.mode, 0o100640);
    assert.equal(status.links, 1);
    assert.equal(status.uid, Deno.uid());
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("openAt() creates with the mode that is asked for", () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/new`;
  try {
    using _file = openAt(path, {
      flags: OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive,
      mode: 0o400,
    });
    assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o400);
    assert.throws(() => openAt(path, { flags: OpenFlags.Create | OpenFlags.Exclusive }), { code: "EEXIST" });
    unlink(path);
    assert.throws(() => unlink(path), { code: "ENOENT", syscall: "unlink" });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("openAt() takes bytes when a name is not UTF-8", () => {
  const folder = Deno.makeTempDirSync();
  const path = new Uint8Array([...new TextEncoder().encode(`${folder}/`), 0xff, 0xfe]);
  try {
    using created = openAt(path, { flags: OpenFlags.WriteOnly | OpenFlags.Create });
    using again = openPath(path);
    assert.equal(statFd(again.fd).inode, statFd(created.fd).inode);
  } finally {
    unlink(path);
    Deno.removeSync(folder);
  }
});

Deno.test("openAt() throws when there is no such file or the path holds a NUL", () => {
  assert.throws(() => openAt("/does/not/exist"), { name: "SystemError", code: "ENOENT", syscall: "openat" });
  assert.throws(() => openAt("/etc/passwd\0.txt"), RangeError);
});

Deno.test("openPath() stays at a symbolic link when follow is false", () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.symlinkSync("/proc", `${folder}/link`);
    using link = openPath(`${folder}/link`, { follow: false });
    using target = openPath(`${folder}/link`);
    assert.equal(statFd(link.fd).mode & 0o170000, 0o120000);
    assert.equal(statFd(target.fd).mode & 0o170000, 0o040000);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("statFd() throws when the descriptor is not open", () => {
  assert.throws(() => statFd(9999), { code: "EBADF" });
});

Deno.test("FileDescriptor throws when it is used after it was closed", () => {
  const file = openPath("/");
  file[Symbol.dispose]();
  file[Symbol.dispose]();
  assert.throws(() => file.fd, { code: "EBADF" });
});

Deno.test("duplicate() gives a descriptor of the same file and throws when there is none", () => {
  using file = openPath("/");
  using copy = new FileDescriptor(duplicate(file.fd));
  assert.notEqual(copy.fd, file.fd);
  assert.equal(statFd(copy.fd).inode, statFd(file.fd).inode);
  assert.throws(() => duplicate(9999), { code: "EBADF" });
});

Deno.test("sealedMemoryFile() can be read and not be changed", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  using file = sealedMemoryFile("sealed", bytes);
  const path = `/proc/self/fd/${file.fd}`;
  assert.deepEqual(Deno.readFileSync(path), bytes);
  assert.throws(() => Deno.truncateSync(path, 10));
  using writable = Deno.openSync(path, { write: true });
  assert.throws(() => writable.writeSync(new Uint8Array(1)));
});

Deno.test("mount() mounts a BPF file system and throws when there is no such type", () => {
  using bpffs = new TemporaryBpffs();
  assert.equal(fileSystemType(bpffs.path), BPF_FS_MAGIC);
  assert.throws(() => mount("none", bpffs.path, "nosuchfs"), { code: "ENODEV", syscall: "mount" });
});

Deno.test("raiseMemlockLimit() lifts the limit, or throws EPERM without CAP_SYS_RESOURCE", () => {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
  if ((BigInt(`0x${capabilities}`) & (1n << 24n)) === 0n) {
    assert.throws(() => raiseMemlockLimit(), { code: "EPERM" });
    return;
  }
  raiseMemlockLimit();
  assert.match(Deno.readTextFileSync("/proc/self/limits"), /Max locked memory\s+unlimited\s+unlimited/);
});

Deno.test("cString() ends with a NUL and refuses one inside", () => {
  assert.deepEqual([...cString("aé")], [0x61, 0xc3, 0xa9, 0]);
  assert.throws(() => cString("a\0b"), RangeError);
});
