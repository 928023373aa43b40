/**
 * What `doctor` looks at besides the kernel: mounts, limits, the clock, files and pins.
 *
 * @module
 */
import { isClockSynchronized } from "../../ffi/clock.ts";
import { BPF_FS_MAGIC, fileSystemType } from "../../ffi/libc.ts";
import type { Locations } from "../agent/locations.ts";
import { cgroupRoot, chargesLockedMemory, nearestExisting, otherBpffs, readMounts } from "../kernel/host.ts";
import { PolicyFileError, readPolicyFile } from "../policy/read.ts";
import { everywhere, type Finding, type HostFiles } from "./doctor_finding.ts";
import type { Pinned } from "./pinned.ts";

/** Looks at the host. */
export function hostFindings(host: HostFiles, places: Locations, pinned: Pinned): Finding[] {
  return [
    bpffsFinding(places),
    cgroupFinding(host),
    memlockFinding(host),
    clockFinding(isClockSynchronized(), new Date()),
    filesFinding(places),
    pinsFinding(pinned, places),
  ];
}

function bpffsFinding({ pins }: Locations): Finding {
  const common = {
    name: "bpffs",
    why: "pins there keep programs and maps in the kernel while no agent runs",
  };
  const base = nearestExisting(pins);
  if (fileSystemType(base) === BPF_FS_MAGIC) {
    return { ...common, state: "ok", found: `mounted above ${pins}` };
  }
  const byAgent = base === "/sys/fs/bpf";
  return {
    ...common,
    state: byAgent ? "warn" : "fail",
    found: `no bpffs at ${base}${
      byAgent ? "; the agent mounts one when it starts" : otherBpffs(readMounts())
    }`,
    mend: everywhere(`mount -t bpf bpf ${base}`),
  };
}

/** Where the cgroup2 hierarchy is, from mountinfo. */
export function cgroupFinding(host: HostFiles): Finding {
  const common = {
    name: "cgroup2",
    why: "rules and exemptions for cgroups name them by their place in this hierarchy",
  };
  const text = host.read("/proc/self/mountinfo");
  const root = cgroupRoot(text === undefined ? [] : readMounts(text));
  if (root === "/sys/fs/cgroup") return { ...common, state: "ok", found: root };
  if (root !== undefined) {
    return { ...common, state: "ok", found: `${root}, beside the older hierarchies (hybrid)` };
  }
  return {
    ...common,
    state: "warn",
    found: "not mounted: policies that name cgroups do not work",
    mend: everywhere("mkdir -p /sys/fs/cgroup/unified", "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"),
  };
}

/** The limit on locked memory, which maps count against until 5.10. */
export function memlockFinding(host: HostFiles): Finding {
  const common = { name: "memlock", why: "until 5.10 maps count against the limit on locked memory" };
  if (!chargesLockedMemory(host.release)) {
    return { ...common, state: "ok", found: "does not matter on this kernel" };
  }
  const [, soft = "unknown"] = /^Max locked memory\s+(\S+)/m.exec(host.read("/proc/self/limits") ?? "") ?? [];
  // The agent lifts it by itself where it has CAP_SYS_RESOURCE, which its unit gives it.
  if (soft === "unlimited") return { ...common, state: "ok", found: soft };
  return {
    ...common,
    state: "warn",
    found: `${soft} bytes; the agent lifts it where it has CAP_SYS_RESOURCE`,
    mend: everywhere(
      "mkdir -p /etc/systemd/system/aegisbpf.service.d",
      "printf '[Service]\\nLimitMEMLOCK=infinity\\n' > /etc/systemd/system/aegisbpf.service.d/memlock.conf",
      "systemctl daemon-reload && systemctl restart aegisbpf",
    ),
  };
}

/** Younger than any host that runs this. */
const EARLIEST = Date.UTC(2025, 0, 1);

/** Whether the clock can be believed; undefined: the kernel does not say. */
export function clockFinding(synchronized: boolean | undefined, now: Date): Finding {
  const common = {
    name: "clock",
    why: "a policy's expiry, a confirmation's time and events' times go by it",
  };
  const mend = {
    ubuntu: ["apt-get install systemd-timesyncd", "timedatectl set-ntp true"],
    rhel: ["dnf install chrony", "systemctl enable --now chronyd"],
  };
  const time = now.toISOString();
  if (now.getTime() < EARLIEST) return { ...common, state: "fail", found: `${time}, long past`, mend };
  if (synchronized === false) return { ...common, state: "warn", found: `${time}, not synchronized`, mend };
  return { ...common, state: "ok", found: synchronized ? "synchronized" : time };
}

function filesFinding(places: Locations): Finding {
  const common = {
    name: "files",
    why: "what others may write, or what a symbolic link stands for, is refused by the agent",
  };
  const problems: string[] = [];
  const paths: string[] = [];
  for (const path of [places.config, places.policy, places.allowedSigners]) {
    try {
      readPolicyFile(path, { maxBytes: 64 << 20 });
    } catch (error) {
      if (!(error instanceof PolicyFileError)) throw error;
      if (error.code === "missing" || error.code === "unreadable") continue;
      problems.push(error.message);
      paths.push(path);
    }
  }
  for (const path of [places.state, places.run]) {
    const problem = folderProblem(path);
    if (problem === undefined) continue;
    problems.push(`${path} ${problem}`);
    paths.push(path);
  }
  if (problems.length === 0) return { ...common, state: "ok", found: "none that others may write" };
  const mend = paths.flatMap((path) => [`chown root:root '${path}'`, `chmod go-w '${path}'`]);
  return { ...common, state: "fail", found: problems.join("; "), mend: everywhere(...mend) };
}

function folderProblem(path: string): string | undefined {
  let stats: Deno.FileInfo;
  try {
    stats = Deno.lstatSync(path);
  } catch {
    // It is made when the agent starts; or it is not for this user to see, and so not to write either.
    return undefined;
  }
  if (stats.isSymlink) return "is a symbolic link";
  if (!stats.isDirectory) return "is no folder";
  if (stats.uid !== 0 && stats.uid !== Deno.uid()) return `belongs to uid ${stats.uid}`;
  return ((stats.mode ?? 0) & 0o022) === 0 ? undefined : "is writable by others";
}

function pinsFinding(pinned: Pinned, { pins }: Locations): Finding {
  const common = { name: "pins", why: "what is pinned decides, whether an agent runs or not" };
  switch (pinned.kind) {
    case "none":
      return { ...common, state: "ok", found: `none in ${pins}: no agent has run since the host started` };
    case "unknown":
      return {
        ...common,
        state: "warn",
        found: `cannot tell: ${pinned.reason}`,
        mend: everywhere("sudo aegisbpf doctor"),
      };
    case "partial":
      return {
        ...common,
        state: "warn",
        found: pinned.reason,
        mend: everywhere("systemctl restart aegisbpf"),
      };
    case "complete":
      return { ...common, state: "ok", found: `complete, backend ${pinned.backend}` };
  }
}
