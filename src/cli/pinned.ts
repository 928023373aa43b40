/**
 * What the pins say while no agent runs to be asked.
 *
 * @module
 */
import { bootTimeNs } from "../../ffi/clock.ts";
import { LibbpfError } from "../../ffi/library.ts";
import { SystemError } from "../../ffi/errno.ts";
import type { Backend } from "../kernel/backend.ts";
import { stoppedForNs } from "../kernel/emergency.ts";
import { Pins } from "../kernel/pins.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";

/** What is pinned, as far as this version can read it. */
export type Pinned =
  | { readonly kind: "none" }
  /** Programs may be at work, but not a whole set of them, or not of this version. */
  | { readonly kind: "partial"; readonly reason: string }
  /** It could not be looked at. */
  | { readonly kind: "unknown"; readonly reason: string }
  | {
    readonly kind: "complete";
    readonly backend: Backend;
    readonly policy: PinnedPolicy | null;
    /** How long decisions are still stopped, in seconds: `emergency disable`; 0 where they are not. */
    readonly stopped_s: number;
  };

/** What the kernel side knows of the policy in force. */
export interface PinnedPolicy {
  readonly name: string;
  readonly serial: number;
  readonly sha256: string;
  readonly rules: number;
  readonly enforce: boolean;
}

/** Looks at the pins below `root` without changing anything. */
export function readPinned(root: string): Pinned {
  try {
    useShippedLibbpf();
    const pins = new Pins(root);
    const found = pins.find();
    switch (found.kind) {
      case "none":
        return found;
      case "half-made":
        return { kind: "partial", reason: `half-made pins in ${found.folder} (${found.reason})` };
      case "other-schema":
        return { kind: "partial", reason: `pins of another version: ${found.folders.join(", ")}` };
      case "complete":
        return readComplete(pins);
    }
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      return { kind: "unknown", reason: `permission denied at ${root}; run this as root` };
    }
    if (error instanceof SystemError || error instanceof LibbpfError) {
      return { kind: "unknown", reason: error.message };
    }
    throw error;
  }
}

function readComplete(pins: Pins): Pinned {
  using state = pins.open();
  const { control, backend } = state;
  const live = control.wordAt(bootTimeNs());
  const set = control.setInfo(control.liveIndex(live));
  return {
    kind: "complete",
    backend,
    // A set that names only the canary has no name; a policy always has one.
    policy: set.name === "" ? null : {
      name: set.name,
      serial: Number(set.serial),
      sha256: set.sha256,
      // The first rule of every set is the canary's.
      rules: Math.max(0, set.rules - 1),
      enforce: set.enforce,
    },
    stopped_s: Math.ceil(Number(stoppedForNs(control)) / 1e9),
  };
}
