/**
 * Names under which events showed files and cgroups, for what has only numbers: counts and flows.
 *
 * @module
 */
import type { DecisionEvent } from "../events/event.ts";
import { cgroupRoot } from "../kernel/host.ts";
import { cgroupById } from "../policy/cgroups.ts";

/** The last names of so many files and cgroups; the oldest go first. */
export class SeenNames {
  readonly #cgroups = new Map<bigint, string>();
  readonly #files = new Map<string, string>();

  /** Keeps an event's names. */
  remember({ file, process }: DecisionEvent): void {
    keep(this.#cgroups, BigInt(process.cgroup.id), process.cgroup.path);
    keep(this.#files, `${file.dev}:${file.ino}:${file.gen}`, file.path);
  }

  /** The path of a cgroup by its id. */
  cgroup(id: bigint): string | undefined {
    return this.#cgroups.get(id);
  }

  /** The same, looked for where no event had it: the whole hierarchy may be searched. */
  findCgroup(id: bigint): string | undefined {
    const root = this.#cgroups.has(id) ? undefined : cgroupRoot();
    return root === undefined ? this.cgroup(id) : cgroupById(root, id)?.path;
  }

  /** The path of a file by its identity, `MAJOR:MINOR:INO:GENERATION`. */
  file(identity: string): string | undefined {
    return this.#files.get(identity);
  }
}

const NAMES_KEPT = 8192;

function keep<Key>(names: Map<Key, string>, key: Key, name: string): void {
  if (name === "" || names.get(key) === name) return;
  names.set(key, name);
  if (names.size > NAMES_KEPT) {
    const oldest = names.keys().next();
    if (!oldest.done) names.delete(oldest.value);
  }
}
