/**
 * What `doctor` finds, and what the host says of itself.
 *
 * @module
 */
import { kernelRelease } from "../kernel/host.ts";
import type { PreemptionProbes } from "../kernel/preemption.ts";

/** How bad it is: `warn` costs something, `fail` keeps the host from enforcing. */
export type FindingState = "ok" | "warn" | "fail";

/** Commands that mend something, to be typed as root, by family of distribution. */
export interface Mend {
  readonly ubuntu: readonly string[];
  readonly rhel: readonly string[];
}

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  readonly state: FindingState;
  /** What is the case. */
  readonly found: string;
  /** Why it matters. */
  readonly why: string;
  /** For what is not ok: what to do. */
  readonly mend?: Mend;
}

/** Where the host is looked at; tests give a folder that stands for `/`. */
export class HostFiles {
  /** @param root Without a slash at its end; empty for the host itself. */
  constructor(readonly root: string = "", readonly release: string = kernelRelease()) {}

  /** The text of a file; undefined where there is none, or it cannot be read. */
  read(path: string): string | undefined {
    try {
      return Deno.readTextFileSync(`${this.root}${path}`);
    } catch {
      return undefined;
    }
  }

  /** How to find out how the kernel preempts; undefined: by looking at the host itself. */
  get preemptionProbes(): PreemptionProbes | undefined {
    if (this.root === "") return undefined;
    return { read: (path) => this.read(path), readPacked: () => undefined, log: () => "" };
  }

  /** Whether a path exists. */
  has(path: string): boolean {
    try {
      Deno.statSync(`${this.root}${path}`);
      return true;
    } catch {
      return false;
    }
  }
}

/** The same commands on both families. */
export function everywhere(...commands: string[]): Mend {
  return { ubuntu: commands, rhel: commands };
}

/** Sets an option of the kernel's command line; it holds from the next start on. */
export function kernelOption(option: string): Mend {
  const file = "/etc/default/grub.d/99-aegisbpf.cfg";
  return {
    ubuntu: [
      `echo 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${option}"' >> ${file}`,
      "update-grub",
      "systemctl reboot",
    ],
    rhel: [`grubby --update-kernel=ALL --args="${option}"`, "systemctl reboot"],
  };
}
