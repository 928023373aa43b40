/**
 * Follows what the kernel side cannot: mounts over a rule's path, and, where the backend has no hooks, everything.
 *
 * @module
 */
import { MountWatch } from "../../ffi/mount_watch.ts";

/** How long a look may come after a change, in milliseconds. */
const FOLLOW_MS = 100;
/** Looks take at most this share of the time. */
const SHARE = 1 / 50;

/** Calls `follow` until `signal` is aborted. */
export interface FollowerOptions {
  readonly follow: () => void;
  /** Looks at fixed times too, as nothing tells of changes. */
  readonly poll: boolean;
  readonly signal: AbortSignal;
}

/** Runs until the signal is aborted. */
export async function runFollower({ follow, poll, signal }: FollowerOptions): Promise<void> {
  using mounts = new MountWatch();
  let pause = FOLLOW_MS;
  while (!signal.aborted) {
    const changed = await mounts.changed(poll ? pause : WAIT_MS);
    if (signal.aborted || !(changed || poll)) continue;
    const started = performance.now();
    follow();
    pause = Math.max(FOLLOW_MS, Math.ceil((performance.now() - started) / SHARE));
  }
}

/** How long the end of the agent may have to wait for this. */
const WAIT_MS = 250;
