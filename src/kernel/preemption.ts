/**
 * Whether this kernel may take a CPU from a task that is within one of the programs. A trampoline then leaves the same
 * program out for every other task on that CPU: `fmod_ret` and `fentry` on all kernels, `lsm` until 6.1.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Backend } from "./backend.ts";

/** How a kernel preempts; `rt` as `full`. `dynamic`: it can be told at boot, and what it was told is not to be found. */
export type PreemptionModel = "none" | "voluntary" | "full" | "lazy" | "rt" | "dynamic";

/** A model and what told it. */
export interface Preemption {
  readonly model: PreemptionModel;
  readonly source: string;
  /** Models that do not preempt and can be had with `preempt=` at boot. */
  readonly remedies: readonly ("voluntary" | "none")[];
}

/** How the host is looked at. */
export interface PreemptionProbes {
  /** A text file's content; undefined where it cannot be read. */
  read(path: string): string | undefined;
  /** The same for a file that gzip packed. */
  readPacked(path: string): string | undefined;
  /** What the kernel has logged, as far as it is there. */
  log(): string;
}

/** Finds out how the running kernel preempts: what it says now first, what it was told or built with last. */
export function preemptionOf(probes: PreemptionProbes = HOST): Preemption {
  const version = probes.read("/proc/version") ?? "";
  const debug = probes.read("/sys/kernel/debug/sched/preempt") ??
    probes.read("/sys/kernel/debug/sched_preempt");
  const choices: readonly string[] = debug?.match(/\w+/g) ?? [];
  const [, now] = /\((\w+)\)/.exec(debug ?? "") ?? [];
  if (now !== undefined && isModel(now)) {
    return { model: now, source: "debugfs", remedies: REMEDIES.filter((model) => choices.includes(model)) };
  }
  if (/\bPREEMPT_RT\b/.test(version)) return { model: "rt", source: "/proc/version", remedies: [] };
  if (!/\bPREEMPT_DYNAMIC\b/.test(version)) {
    const model = /\bPREEMPT_LAZY\b/.test(version) ? "lazy" : /\bPREEMPT\b/.test(version) ? "full" : "none";
    return { model, source: "/proc/version", remedies: [] };
  }
  const told = dynamicModel(probes, version);
  // Since 7.0 most architectures can be told no model that does not preempt.
  const major = Number(/version (\d+)\./.exec(version)?.[1] ?? 0);
  return { ...told, remedies: major >= 7 ? [] : REMEDIES };
}

/** Whether a model takes the CPU from a task within the kernel. */
export function preempts(model: PreemptionModel): boolean {
  return model !== "none" && model !== "voluntary";
}

/** Whether a backend's programs are left out when their like was preempted. */
export function isLeftOut(backend: Backend, release: string): boolean {
  if (backend === "tracepoint") return false;
  if (backend !== "lsm") return true;
  const [major = 0, minor = 0] = release.split(".").map(Number.parseFloat);
  return major < 6 || (major === 6 && minor < 2);
}

const REMEDIES = ["voluntary", "none"] as const;
const MODELS: readonly PreemptionModel[] = ["none", "voluntary", "full", "lazy", "rt"];

function isModel(text: string): text is PreemptionModel {
  return MODELS.some((model) => model === text);
}

function dynamicModel(probes: PreemptionProbes, version: string): Omit<Preemption, "remedies"> {
  const logged = [...probes.log().matchAll(/Dynamic Preempt: (\w+)/g)].at(-1)?.[1];
  if (logged !== undefined && isModel(logged)) return { model: logged, source: "the kernel's log" };
  const [, option] = /(?:^|\s)preempt=(\w+)/.exec(probes.read("/proc/cmdline") ?? "") ?? [];
  if (option !== undefined && isModel(option)) return { model: option, source: "the kernel's command line" };
  const [, release] = /version (\S+)/.exec(version) ?? [];
  const config = probes.read(`/boot/config-${release}`) ?? probes.readPacked("/proc/config.gz");
  for (const [key, model] of CONFIGURED) {
    if (config?.includes(`\n${key}=y\n`)) return { model, source: "the kernel's configuration" };
  }
  return { model: "dynamic", source: "/proc/version" };
}

/** What a dynamic kernel does by default; of these one is set. */
const CONFIGURED: readonly (readonly [key: string, model: PreemptionModel])[] = [
  ["CONFIG_PREEMPT_NONE", "none"],
  ["CONFIG_PREEMPT_VOLUNTARY", "voluntary"],
  ["CONFIG_PREEMPT_LAZY", "lazy"],
  ["CONFIG_PREEMPT", "full"],
];

const HOST: PreemptionProbes = {
  read: (path) => attempt(() => Deno.readTextFileSync(path)),
  readPacked: (path) => attempt(() => new TextDecoder().decode(gunzipSync(Deno.readFileSync(path)))),
  log: () => attempt(readKernelLog) ?? "",
};

/** Lockdown, a container or an older kernel may be in the way of each source; another one is asked then. */
function attempt<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

/** One read gives one record, of at most so many bytes; see dev-kmsg in the kernel's documentation. */
const RECORD_BYTES = 8192;
const MAX_RECORDS = 100_000;

function readKernelLog(): string {
  const fd = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  const found: string[] = [];
  try {
    const record = Buffer.alloc(RECORD_BYTES);
    for (let count = 0; count < MAX_RECORDS; count++) {
      const text = readRecord(fd, record);
      if (text === undefined) break;
      if (text.includes("Dynamic Preempt")) found.push(text);
    }
  } finally {
    closeSync(fd);
  }
  return found.join("");
}

function readRecord(fd: number, buffer: Buffer): string | undefined {
  try {
    return buffer.toString("utf8", 0, readSync(fd, buffer));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    // EPIPE: records were overwritten since; the next read goes on behind them.
    return code === "EPIPE" ? "" : undefined;
  }
}
