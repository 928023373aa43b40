/**
 * Follows what the kernel side cannot: mounts over a rule's path, and, where the backend has no hooks, everything.
 *
 * @module
 */
import { DirectoryWatch } from "../../ffi/directory_watch.ts";
import { type FileDescriptor, SystemError } from "../../ffi/libc.ts";
import { MountWatch } from "../../ffi/mount_watch.ts";

/** How long a look may come after a change, in milliseconds. */
const FOLLOW_MS = 100;
/** The same where directories tell of changes: network file systems do not tell of those of others. */
const WATCHED_MS = 2000;
/** Looks that nothing asked for take at most this share of the time, */
const SHARE = 1 / 50;
/** and those that something asked for leave so many times as long to other work. */
const PAUSE = 2;

/** Calls `follow` until `signal` is aborted. */
export interface FollowerOptions {
  readonly follow: () => void;
  readonly signal: AbortSignal;
  /** Where the kernel side tells of nothing: how the directories are watched on the rules' way. By default it tells. */
  readonly watched?: Watched;
}

/** Directories that the rules' paths lead through, and whether that is all that counts. */
export interface Watched {
  /** Called with what takes each directory that is looked into; undefined at the end. */
  readonly observe: (entered: ((directory: FileDescriptor) => void) | undefined) => void;
  /** Whether rules depend on more than directories: on cgroups. */
  readonly needsMore: () => boolean;
}

/** Runs until the signal is aborted. */
export async function runFollower({ follow, watched, signal }: FollowerOptions): Promise<void> {
  using directories = watched && openDirectories();
  using mounts = new MountWatch(directories);
  const stop = () => mounts.wake();
  signal.addEventListener("abort", stop);
  if (directories) watched?.observe((directory) => directories.add(directory));
  const pollMs = () => {
    if (watched === undefined) return undefined;
    return directories?.isWhole && !watched.needsMore() ? WATCHED_MS : FOLLOW_MS;
  };
  let lookedAt = 0;
  let tookMs = 0;
  // The first look finds the directories.
  let waitMs = watched ? FOLLOW_MS : -1;
  while (!signal.aborted) {
    const changed = await mounts.changed(waitMs);
    if (changed) await sleep(lookedAt + tookMs * PAUSE - performance.now());
    const poll = pollMs();
    if (signal.aborted || !(changed || poll !== undefined)) continue;
    const started = performance.now();
    follow();
    lookedAt = performance.now();
    tookMs = lookedAt - started;
    waitMs = poll === undefined ? -1 : Math.max(poll, Math.ceil(tookMs / SHARE));
  }
  signal.removeEventListener("abort", stop);
  watched?.observe(undefined);
}

/** Undefined where this user may watch nothing more. */
function openDirectories(): DirectoryWatch | undefined {
  try {
    return new DirectoryWatch();
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

async function sleep(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
