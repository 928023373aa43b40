/**
 * What `doctor` looks at in the kernel: whether programs can be attached, whether they can refuse, and what may keep them
 * from it. Nothing here needs root.
 *
 * @module
 */
import { kernelVersion } from "../kernel/host.ts";
import { isLeftOut, preemptionOf, preempts } from "../kernel/preemption.ts";
import { everywhere, type Finding, type HostFiles, kernelOption } from "./doctor_finding.ts";

/** Looks at the kernel. */
export function kernelFindings(host: HostFiles): Finding[] {
  const symbols = kernelSymbols(host);
  return [
    kernelFinding(host),
    btfFinding(host),
    lsmFinding(host, symbols),
    trampolineFinding(symbols),
    lockdownFinding(host),
    preemptionFinding(host),
  ];
}

const OLDEST_KERNEL = 5010;

function kernelFinding({ release }: HostFiles): Finding {
  const common = { name: "kernel", why: "the programs need what Linux 5.10 brought" };
  if (kernelVersion(release) >= OLDEST_KERNEL) return { ...common, state: "ok", found: release };
  return {
    ...common,
    state: "fail",
    found: `${release}, older than 5.10`,
    mend: {
      ubuntu: ["apt-get install --install-recommends linux-generic", "systemctl reboot"],
      rhel: ["dnf upgrade kernel", "systemctl reboot"],
    },
  };
}

function btfFinding(host: HostFiles): Finding {
  const common = {
    name: "btf",
    why: "one BPF object serves all kernels: it is fitted to this one by its type information",
  };
  if (host.has("/sys/kernel/btf/vmlinux")) {
    return { ...common, state: "ok", found: "/sys/kernel/btf/vmlinux" };
  }
  return {
    ...common,
    state: "fail",
    found: "no /sys/kernel/btf/vmlinux: this kernel was built without CONFIG_DEBUG_INFO_BTF",
    mend: {
      ubuntu: ["apt-get install linux-generic", "systemctl reboot"],
      rhel: ["dnf install kernel-core", "systemctl reboot"],
    },
  };
}

/** Names of the functions that tell what the kernel was built with; undefined where it does not show its symbols. */
type Symbols = ReadonlySet<string> | undefined;

const TELLING = ["bpf_lsm_file_open", "bpf_trampoline_link_prog", "register_ftrace_direct"] as const;

function kernelSymbols(host: HostFiles): Symbols {
  const text = host.read("/proc/kallsyms");
  if (text === undefined || text === "") return undefined;
  return new Set(TELLING.filter((name) => new RegExp(` [tTwW] ${name}(\\s|$)`, "m").test(text)));
}

/**
 * The list with `bpf` added, as the kernel's command line takes it. That replaces the whole list, so everything in it is
 * kept; `capability` is always there and not named.
 */
export function lsmOption(active: readonly string[]): string {
  return `lsm=${[...active.filter((name) => name !== "capability" && name !== "bpf"), "bpf"].join(",")}`;
}

function lsmFinding(host: HostFiles, symbols: Symbols): Finding {
  const common = {
    name: "lsm_list",
    why:
      "with bpf among the LSMs the best backend, lsm, can be used; without it fmod_ret is tried, which needs no such list",
  };
  const active = host.read("/sys/kernel/security/lsm")?.trim().split(",");
  if (active === undefined) {
    return {
      ...common,
      state: "warn",
      found: "cannot tell: securityfs is not mounted, or the kernel has no LSMs",
      mend: everywhere("mount -t securityfs securityfs /sys/kernel/security"),
    };
  }
  const list = active.join(",");
  if (active.includes("bpf")) return { ...common, state: "ok", found: list };
  if (symbols !== undefined && !symbols.has("bpf_lsm_file_open")) {
    return {
      ...common,
      state: "ok",
      found: `${list}; this kernel was built without BPF LSM, so bpf cannot be added`,
    };
  }
  return { ...common, state: "warn", found: `${list}, without bpf`, mend: kernelOption(lsmOption(active)) };
}

function trampolineFinding(symbols: Symbols): Finding {
  const common = {
    name: "trampolines",
    why:
      "lsm, fmod_ret and fentry reach the kernel's functions by BPF trampolines; without them only tracepoint is left, which reports",
  };
  if (symbols === undefined) {
    return { ...common, state: "warn", found: "cannot tell: the kernel does not show its symbols" };
  }
  const has = symbols.has("bpf_trampoline_link_prog");
  // arm64 has the first since 6.0 and the second, which calls them, since 6.4.
  const direct = Deno.build.arch !== "aarch64" || symbols.has("register_ftrace_direct");
  if (has && direct) return { ...common, state: "ok", found: "in the kernel" };
  return {
    ...common,
    state: "fail",
    found: has ? "in the kernel, but without ftrace direct calls (arm64 before 6.4)" : "not in this kernel",
    mend: {
      ubuntu: ["apt-get install linux-generic-hwe-22.04", "systemctl reboot"],
      rhel: ["dnf upgrade kernel", "systemctl reboot"],
    },
  };
}

function lockdownFinding(host: HostFiles): Finding {
  const common = {
    name: "lockdown",
    why: "in confidentiality mode BPF programs may not read the kernel's memory",
  };
  const text = host.read("/sys/kernel/security/lockdown");
  if (text === undefined) return { ...common, state: "ok", found: "not in this kernel" };
  const [, mode = "none"] = /\[(\w+)\]/.exec(text) ?? [];
  if (mode !== "confidentiality") return { ...common, state: "ok", found: mode };
  return {
    ...common,
    state: "fail",
    found: mode,
    mend: {
      ubuntu: [
        "sed -i 's/ *lockdown=confidentiality//' /etc/default/grub /etc/default/grub.d/*.cfg",
        "update-grub",
        "systemctl reboot",
      ],
      rhel: ['grubby --update-kernel=ALL --remove-args="lockdown=confidentiality"', "systemctl reboot"],
    },
  };
}

function preemptionFinding(host: HostFiles): Finding {
  const common = {
    name: "preemption",
    why:
      "a kernel that preempts a program leaves out the same program's other runs on that CPU: lsm until 6.1, fmod_ret on all kernels; health counts such runs",
  };
  const { model, source, remedies } = preemptionOf(host.preemptionProbes);
  const found = `${model}, by ${source}`;
  if (!preempts(model)) return { ...common, state: "ok", found };
  const active = host.read("/sys/kernel/security/lsm")?.trim().split(",") ?? [];
  if (!isLeftOut("lsm", host.release)) {
    if (active.includes("bpf")) {
      return { ...common, state: "ok", found: `${found}; this kernel's lsm is not left out` };
    }
    if (active.length > 0) return { ...common, state: "warn", found, mend: kernelOption(lsmOption(active)) };
  }
  const [remedy] = remedies;
  return { ...common, state: "warn", found, ...(remedy ? { mend: kernelOption(`preempt=${remedy}`) } : {}) };
}
