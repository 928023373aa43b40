/** The guests: which kernel on which machine, and what of the catalogue runs there. */

import type { Guest, Phase } from "./guest/case.ts";

/** A machine, as Deno and the kernel name it. */
export type Arch = typeof Deno.build.arch;

/** The guests of one kernel. */
export interface Kernel {
  /** The kernel's version, of those that `vm kernels` lists. */
  readonly version: string;
  readonly arch: Arch;
  /** The LSM lists to boot it with: with `bpf` or without. */
  readonly lsms: readonly string[];
  /** Of one guest; default: 1. */
  readonly cpus?: number;
  /** Models of the processor by LSM list, as QEMU names them; default: the one that `vm` chooses. */
  readonly models?: Readonly<Record<string, string>>;
  /** The backend that the agent must choose, where the LSM list does not say it. */
  readonly backend?: Guest["backend"];
  /** What runs there unless something is asked for; default: all. */
  readonly categories?: readonly string[];
  readonly phases?: readonly Phase[];
}

/** What tells whether one machine's kernel decides as another's: how files are reached, and what the agent lives through. */
const CORE = [
  ...[
    "direct",
    "symlink",
    "hard link",
    "rename",
    "proc-fd",
    "openat2",
    "handle",
    "io_uring",
    "exec",
    "exec-only",
  ],
  ...[
    "replace",
    "recreate",
    "exchange",
    "absent path",
    "subtree",
    "subtree moved",
    "delete",
    "truncate",
    "audit",
  ],
  ...["exempt cgroup", "executable exception", "events", "policy", "life", "fallback", "ring"],
];

/** Without what takes QEMU longer and changes nothing here: wide registers, a fifth level of page tables. */
const PLAIN = "max,-avx,-avx2,-la57";
const x86_64 = {
  arch: "x86_64",
  lsms: ["bpf", "none"],
  models: { bpf: PLAIN, none: PLAIN },
} as const;
const aarch64 = { arch: "aarch64", cpus: 4 } as const;

/** By the names that `--kernel` takes and cases' `kernels` use, in the order of their booting. */
export const KERNELS: Readonly<Record<string, Kernel>> = {
  // Without SMAP, too: what programs read through a NULL pointer then waits for the memory lock of its own task.
  "5.10": { ...x86_64, version: "5.10", models: { bpf: PLAIN, none: `${PLAIN},-smap` } },
  "6.1": { ...x86_64, version: "6.1" },
  "6.12": { ...x86_64, version: "6.12" },
  "7.3": { ...x86_64, version: "7.3" },
  "6.12-arm64": {
    ...aarch64,
    version: "6.12",
    lsms: ["bpf", "none"],
    // Without atomic instructions, which BPF programs are translated to where a processor has them.
    models: { none: "cortex-a72" },
    categories: CORE,
    phases: ["enforce", "fentry", "alone"],
  },
  // No BPF trampolines on arm64 before 6.4: tracepoint is all there is, whatever the LSM list.
  "6.1-arm64": {
    ...{ ...aarch64, version: "6.1", lsms: ["bpf"], backend: "tracepoint" },
    ...{ categories: ["direct", "exec", "symlink", "events", "fallback"], phases: ["tracepoint", "alone"] },
  },
};

/** The names of a machine's kernels. */
export function kernelsOf(arch: string): string[] {
  return Object.keys(KERNELS).filter((name) => KERNELS[name]?.arch === arch);
}
