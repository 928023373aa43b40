/** What a case is: its declaration, what it may use while it runs, and how it says that it failed or cannot run. */

import type { Act } from "./act.ts";
import type { Agent } from "./agent.ts";
import type { EventLog } from "./events.ts";

/**
 * How the agent runs while a case does:
 * - `enforce`: the backend it chooses itself, in enforce mode;
 * - `fentry`, `tracepoint`: that backend, which can only audit;
 * - `alone`: no agent runs; the case starts what it needs and leaves nothing behind.
 */
export type Phase = "enforce" | "fentry" | "tracepoint" | "alone";

/** One thing that must be true. Cases of a phase share one agent and one policy, and touch only files of their own. */
export interface Case {
  readonly category: string;
  /** Unique in its category. */
  readonly name: string;
  /** The phases in which it runs; default: `enforce` only. */
  readonly phases?: readonly Phase[];
  /**
   * The guests in which it runs, as `6.1`, or `6.1-bpf` or `6.1-none` for one of its LSM lists; default: all. For what
   * takes long and hardly depends on the kernel: spread, so that no guest has all of it.
   */
  readonly kernels?: readonly string[];
  /**
   * Makes the files and states the rules. All cases' rules go into one policy, which is applied once before the first
   * case runs: under emulation a policy for each case would take most of the time.
   */
  readonly prepare?: (t: Setup) => void | Promise<void>;
  /** Passes by returning, fails by throwing; {@link Skip} says that this kernel cannot do it. */
  readonly run: (t: Context) => void | Promise<void>;
  /**
   * Whether it changes what cases share: the policy, the agent's life. Such cases run after all others, in the order
   * of their declaration, with only their own rules in force: each start and each policy costs by the rules. Default: no.
   */
  readonly disruptive?: boolean;
  /** Whether a disruptive case needs the rules of all that are not, too: then it runs first of its kind; default: no. */
  readonly whole?: boolean;
  /** Milliseconds in which it must end; default: two minutes. */
  readonly limit?: number;
}

/** A rule of the policy, as the policy file has it. */
export interface Rule {
  readonly id: string;
  readonly paths?: readonly string[];
  readonly inodes?: readonly string[];
  readonly mode?: "enforce" | "audit";
  readonly [key: string]: unknown;
}

/** What {@link Case.prepare} may do. Directories, rule names and files belong to the case alone. */
export interface Setup {
  readonly phase: Phase;
  readonly guest: Guest;
  readonly act: Act;
  /**
   * A directory of the case's own on ext4 (or on the file system named), made at the first call.
   *
   * @throws {Skip} where the kernel does not have the file system
   */
  dir(fs?: FileSystem): string;
  /** Makes a file with a line of text, mode 0644; answers its path. */
  file(path: string, text?: string): string;
  /** Makes an executable file that ends with 0 when run; answers its path. */
  program(path: string): string;
  /** The name of the case's rule; `suffix` tells several apart. */
  ruleId(suffix?: string): string;
  /** Adds a rule for paths to the shared policy; answers its id. */
  deny(paths: string | readonly string[], rule?: Partial<Rule>): string;
  /** Adds any rule to the shared policy. */
  rule(rule: Rule): void;
  /** Adds a scope to the shared policy, of paths below the root of the cgroup hierarchy or of `id:N`; answers its name. */
  scope(cgroups: readonly string[]): string;
}

/** Where a case's files may be. */
export type FileSystem = "ext4" | "tmpfs" | "xfs" | "btrfs";

/** What {@link Case.run} may use. */
export interface Context extends Setup {
  readonly agent: Agent;
  readonly events: EventLog;
  /** The policy that all cases share, as it was applied. */
  readonly policy: Policy;
  /** Writes a policy to a file of its own and answers its path; `serial` becomes the next one. */
  writePolicy(change: Partial<Policy>): string;
}

/** A policy file; JSON is YAML. */
export interface Policy {
  readonly version: 1;
  readonly name: string;
  readonly serial: number;
  readonly mode: "enforce" | "audit";
  readonly allow?: { readonly cgroups: readonly string[] };
  readonly rules: readonly Rule[];
  readonly [key: string]: unknown;
}

/** What is known of the machine that the cases run on. */
export interface Guest {
  /** As it was asked for, e.g. `6.1`; `host` outside a guest. */
  readonly kernel: string;
  /** `uname -r` */
  readonly release: string;
  /** Whether `bpf` is in the kernel's list of LSMs. */
  readonly bpfLsm: boolean;
  /** The backend that the agent must choose by itself. */
  readonly backend: "lsm" | "fmod_ret" | "tracepoint";
  /** The unified cgroup hierarchy. */
  readonly cgroupRoot: string;
  /** Below {@link cgroupRoot}: no rule or exemption names it. */
  readonly plainCgroup: string;
  /** Below {@link cgroupRoot}: exempt from every rule, and so are `child` and `child/grandchild` in it. */
  readonly exemptCgroup: string;
  /** Where cases' directories are made, on ext4 and on tmpfs. */
  readonly ext4: string;
  readonly tmpfs: string;
  /** A file that is executable and does nothing; images of other file systems lie beside it. */
  readonly nothing: string;
  /** How long each test of a race goes on where it does not say so itself, in seconds. */
  readonly raceSeconds: number;
}

/** The case found something untrue. */
export class Failure extends Error {}

/** The case cannot be tried on this kernel; the message names the kernel's reason. */
export class Skip extends Error {}

/** Declares the cases of one category. */
export function category(name: string, cases: readonly Omit<Case, "category">[]): Case[] {
  return cases.map((one) => ({ ...one, category: name }));
}

/** Whether a guest is one of those that `kernels` of a case names. */
export function isAmong(guest: Pick<Guest, "kernel" | "bpfLsm">, kernels: readonly string[]): boolean {
  return [guest.kernel, `${guest.kernel}-${guest.bpfLsm ? "bpf" : "none"}`].some((name) =>
    kernels.includes(name)
  );
}

/**
 * Repeats what throws a {@link Failure} until it does not.
 *
 * @param within Milliseconds; long for an emulated machine at its limit, as they cost only where the case fails
 * @throws {Failure} the last one
 */
export async function eventually(attempt: () => void | Promise<void>, within = 30_000): Promise<void> {
  for (const end = Date.now() + within;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Failure) || Date.now() > end) throw error;
    }
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** @throws {Failure} unless `actual` is `expected` */
export function equal<T>(actual: T, expected: T, what: string): void {
  if (actual !== expected) {
    throw new Failure(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
}

/** @throws {Failure} unless `condition` holds */
export function check(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Failure(what);
}
