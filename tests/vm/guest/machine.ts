/** Learns what machine the cases run on and makes what they share there. */

import type { Guest } from "./case.ts";

/** What the caller knows of the machine. */
export interface Known {
  /** The kernel as it was asked for; `host` outside a guest. */
  readonly kernel: string;
  /** A file that is executable and does nothing. */
  readonly nothing: string;
  /** Where cases' directories are made; default `/srv/t`. */
  readonly ext4?: string;
  /** The same in memory; default `/dev/shm/t`. */
  readonly tmpfs?: string;
  /** The backend that the agent must choose; default: what the kernel can do. */
  readonly backend?: Guest["backend"] | undefined;
  /** Default 3. */
  readonly raceSeconds?: number;
}

/**
 * Describes this machine and makes the cgroups and directories that cases use.
 *
 * @throws where no unified cgroup hierarchy is mounted
 */
export function describeMachine(known: Known): Guest {
  const bpfLsm = read("/sys/kernel/security/lsm").trim().split(",").includes("bpf");
  const cgroupRoot = read("/proc/mounts").split("\n").map((line) => line.split(" ")).find((f) =>
    f[2] === "cgroup2"
  )?.[1];
  if (cgroupRoot === undefined) throw new Error("No unified cgroup hierarchy is mounted");
  const exemptCgroup = `${cgroupRoot}/aegis-test/exempt`, plainCgroup = `${cgroupRoot}/aegis-test/plain`;
  for (const dir of [plainCgroup, `${exemptCgroup}/child/grandchild`]) {
    Deno.mkdirSync(dir, { recursive: true });
  }
  const { kernel, nothing, ext4 = "/srv/t", tmpfs = "/dev/shm/t", raceSeconds = 3 } = known;
  for (const dir of [ext4, tmpfs]) Deno.mkdirSync(dir, { recursive: true, mode: 0o755 });
  return {
    ...{ kernel, release: Deno.osRelease(), bpfLsm, cgroupRoot, plainCgroup, exemptCgroup, nothing },
    ...{ ext4, tmpfs, raceSeconds, backend: known.backend ?? (bpfLsm ? "lsm" : "fmod_ret") },
  };
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
