/**
 * The scratch cgroups of one `prove`: stand-ins for whom rules name.
 *
 * @module
 */
import { cgroupRoot } from "../kernel/host.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import { CommandError } from "./failure.ts";

/** Those of the cgroups that a process joins, below the scratch cgroup. */
export const CALLERS = {
  /** Whom the decoys' rules are about. */
  member: "in",
  descendant: "in/below",
  /** They are about it too, but it is made when they are in force. */
  late: "late",
  excepted: "in/excepted",
  /** Whom they are not about. */
  outsider: "out",
} as const;

/** Cgroups for one run, removed when it is disposed of. */
export class ScratchCgroup implements AsyncDisposable {
  /** Path below the cgroup2 root. */
  readonly path: string = `/aegisbpf-prove-${crypto.randomUUID().slice(0, 8)}`;
  /** Its directory. */
  readonly folder: string;

  /** @throws {CommandError} with `Usage` where no cgroup can be made. */
  constructor(root: string | undefined = cgroupRoot()) {
    if (root === undefined) throw new CommandError(ExitCode.Usage, "no cgroup2 hierarchy is mounted");
    this.folder = `${root}${this.path}`;
    try {
      Deno.mkdirSync(this.folder);
      for (const name of MADE) Deno.mkdirSync(`${this.folder}/${name}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new CommandError(
        ExitCode.Usage,
        `cannot make the cgroup ${this.folder}: ${reason}; run this as root`,
      );
    }
  }

  /** Processes that have ended leave their cgroup a moment later. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
      try {
        for (const name of [CALLERS.late, ...MADE.toReversed(), ""]) removeFolder(`${this.folder}/${name}`);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, REMOVE_PAUSE_MS));
      }
    }
  }
}

const MADE = [CALLERS.member, CALLERS.descendant, CALLERS.excepted, CALLERS.outsider];
const REMOVE_ATTEMPTS = 100;
const REMOVE_PAUSE_MS = 20;

function removeFolder(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
