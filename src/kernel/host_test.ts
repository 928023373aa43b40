import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { BPF_FS_MAGIC, CGROUP2_MAGIC, fileSystemType } from "../../ffi/libc.ts";
import { TemporaryBpffs } from "../../ffi/test_support.ts";
import {
  BpffsError,
  cgroupRoot,
  chargesLockedMemory,
  ensureBpffs,
  kernelRelease,
  kernelVersion,
  lsmList,
  otherBpffs,
  readMounts,
} from "./host.ts";

const MOUNTINFO = String.raw`22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
31 22 0:26 / /sys/fs/cgroup rw shared:5 master:2 propagate_from:3 - cgroup2 cgroup2 rw,nsdelegate
40 22 8:1 /home/with\040space /mnt/tab\011new\012line\134slash rw - ext4 /dev/sda1 rw
41 22 0:50 / /mnt/schöne\040schlüssel-中 rw - tmpfs none rw
42 22 0:26 /user.slice /mnt/part rw - cgroup2 cgroup2 rw
`;

Deno.test("readMounts() reads every field, with and without optional ones", () => {
  const [root, cgroups] = readMounts(MOUNTINFO);
  deepStrictEqual(root, {
    id: 22,
    parentId: 1,
    device: "8:1",
    root: "/",
    mountPoint: "/",
    type: "ext4",
    options: "rw,errors=remount-ro",
  });
  deepStrictEqual([cgroups?.type, cgroups?.mountPoint], ["cgroup2", "/sys/fs/cgroup"]);
});

Deno.test("readMounts() undoes octal escapes, also beside characters beyond ASCII", () => {
  const [, , odd, beyond] = readMounts(MOUNTINFO);
  strictEqual(odd?.root, "/home/with space");
  strictEqual(odd?.mountPoint, "/mnt/tab\tnew\nline\\slash");
  strictEqual(beyond?.mountPoint, "/mnt/schöne schlüssel-中");
});

Deno.test("readMounts() finds this process's root", () => {
  ok(readMounts().some(({ mountPoint, id }) => mountPoint === "/" && id > 0));
});

Deno.test("cgroupRoot() takes a mount of the whole hierarchy", () => {
  strictEqual(cgroupRoot(readMounts(MOUNTINFO)), "/sys/fs/cgroup");
  strictEqual(cgroupRoot([]), undefined);
});

Deno.test("cgroupRoot() names a cgroup2 file system where this host has one", () => {
  const root = cgroupRoot();
  if (root !== undefined) strictEqual(fileSystemType(root), CGROUP2_MAGIC);
});

Deno.test("ensureBpffs() accepts folders that do not exist yet when the nearest one is on a bpffs", () => {
  using bpffs = new TemporaryBpffs();
  ensureBpffs(bpffs.path);
  ensureBpffs(bpffs.pin("aegisbpf"));
  ensureBpffs(bpffs.pin("deep/er/aegisbpf"));
  strictEqual(fileSystemType(bpffs.path), BPF_FS_MAGIC);
  throws(() => Deno.lstatSync(bpffs.pin("aegisbpf")), Deno.errors.NotFound);
});

Deno.test("otherBpffs() names a bpffs that is mounted somewhere else, if there is one", () => {
  strictEqual(otherBpffs(readMounts(MOUNTINFO)), "");
  const mounts = readMounts(`${MOUNTINFO}50 22 0:60 / /run/bpf rw - bpf bpf rw,mode=700\n`);
  strictEqual(otherBpffs(mounts), ", or use the one at /run/bpf (AEGISBPF_BPFFS=/run/bpf)");
});

Deno.test("cgroupRoot() finds the hierarchy of a hybrid host below the older ones", () => {
  const mounts = readMounts(
    "30 22 0:25 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n" +
      "31 30 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n" +
      "32 30 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n",
  );
  strictEqual(cgroupRoot(mounts), "/sys/fs/cgroup/unified");
});

Deno.test("kernelVersion() compares releases, also those of distributions", () => {
  deepStrictEqual(
    ["4.18.0-553.el8", "5.9.0", "5.10.0-28-amd64", "6.1", "10.2.3"].map(kernelVersion),
    [4018, 5009, 5010, 6001, 10002],
  );
  deepStrictEqual(["5.10.0-28-amd64", "5.14.0-570.el9"].map(chargesLockedMemory), [true, false]);
});

Deno.test("ensureBpffs() says where to mount one when the folder is on another file system", () => {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-host-" });
  try {
    throws(() => ensureBpffs(`${folder}/missing/aegisbpf`), (error: unknown) => {
      ok(error instanceof BpffsError);
      ok(error.message.includes(`mount -t bpf bpf ${folder}`), error.message);
      return true;
    });
  } finally {
    Deno.removeSync(folder);
  }
});

Deno.test("ensureBpffs() comes to an end when nothing of a path exists", () => {
  throws(() => ensureBpffs("/aegisbpf-missing/aegisbpf"), BpffsError);
});

Deno.test("kernelRelease() and lsmList() say what the kernel says", () => {
  strictEqual(kernelRelease(), Deno.readTextFileSync("/proc/sys/kernel/osrelease").trim());
  for (const name of lsmList() ?? []) ok(/^[a-z_0-9]+$/.test(name), name);
});
