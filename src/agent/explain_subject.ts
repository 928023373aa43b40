/**
 * Finds what a question to `explain` is about: the file behind a path with the directories above it, and the caller.
 *
 * @module
 */
import { type FileDescriptor, openPath, SystemError } from "../../ffi/libc.ts";
import type { Caller, Subject } from "../kernel/decision.ts";
import { type Identities, type Known, openIfThere } from "../kernel/identities.ts";
import { type Mount, readMounts } from "../kernel/host.ts";
import { type Identity, identityText } from "../kernel/packed.ts";
import { cgroupAt, cgroupById, type FoundCgroup } from "../policy/cgroups.ts";
import type { Operation } from "../policy/operations.ts";
import { parseCgroup } from "../policy/syntax.ts";
import type { ExplainReport } from "./api.ts";
import { fileBehind } from "./explain_overlay.ts";
import { Refusal } from "./refusal.ts";

/** A file, or the place for one. */
export interface FoundSubject {
  readonly subject: Subject;
  readonly file: ExplainReport["file"];
  /** What else to know about it. */
  readonly notes: readonly string[];
}

/** A caller, and how to name it. */
export interface FoundCaller {
  readonly caller: Caller;
  readonly shown: ExplainReport["caller"];
  /** Whether the cgroup is not there yet. */
  readonly cgroupMissing: boolean;
}

/** A cgroup's place in the hierarchy. */
export interface LocatedCgroup {
  readonly path: string;
  /** Those on the way from the root that are there; at least the root. */
  readonly there: readonly Pick<FoundCgroup, "id">[];
  /** Names below those that are not. */
  readonly missing: readonly string[];
}

/** A caller as it was asked for; each part may be left out. */
export interface AskedCaller {
  readonly cgroup?: string | undefined;
  readonly uid?: string | undefined;
  readonly exe?: string | undefined;
}

/** What was found out about this host a moment ago, for those who ask about many files. */
export class HostGlance {
  readonly #directories = new Map<string, Subject["above"]>();
  #mounts: readonly Mount[] = [];
  #untilMs = 0;

  /** All mounts. */
  get mounts(): readonly Mount[] {
    this.#refresh();
    return this.#mounts;
  }

  /** The directories above one, by asking or by what was found before. */
  above(directory: Identity, ask: () => Subject["above"]): Subject["above"] {
    this.#refresh();
    const key = identityText(directory);
    const known = this.#directories.get(key);
    if (known !== undefined) return known;
    const found = ask();
    if (this.#directories.size < MAX_DIRECTORIES) this.#directories.set(key, found);
    return found;
  }

  #refresh(): void {
    if (performance.now() < this.#untilMs) return;
    this.#directories.clear();
    this.#mounts = readMounts();
    this.#untilMs = performance.now() + GLANCE_MS;
  }
}

/**
 * The file behind a path.
 *
 * @param glance Spares looking at the host anew for each of many files.
 * @throws {Refusal} 2 if the path cannot be followed.
 */
export function findSubject(
  identities: Identities,
  path: string,
  op: Operation,
  glance: HostGlance = new HostGlance(),
): FoundSubject {
  if (!path.startsWith("/") || path.includes("\0")) {
    throw new Refusal(2, `Expected an absolute path, got ${JSON.stringify(path)}`);
  }
  try {
    using handle = openIfThere(() => openPath(path, { follow: !OF_NAMES.includes(op) }));
    if (handle === undefined) return missingSubject(identities, path);
    const known = identities.ofHandle(handle);
    const resolved = pathOf(handle);
    const behind = fileBehind(identities, handle, resolved, glance.mounts);
    const layered = typeof behind === "object" ? behind : undefined;
    return {
      subject: {
        file: known.identity,
        above: aboveAtAGlance(identities, handle, glance),
        ...(layered ? { behind: layered.known.identity } : {}),
      },
      file: {
        state: "there",
        path: resolved,
        identity: identityText(known.identity),
        links: known.links,
        ...(layered
          ? { behind: { path: layered.path, identity: identityText(layered.known.identity) } }
          : {}),
      },
      notes: behind === "unknown"
        ? ["the file is on an overlay whose layers are not reached: rules on the file behind it count too"]
        : [],
    };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw new Refusal(2, `it cannot be told what ${path} is: ${error.message}`);
  }
}

/**
 * The caller that was asked for; by default uid 0 in the root cgroup, running nothing that a rule names.
 *
 * @param root Where the cgroup2 hierarchy is mounted.
 * @throws {Refusal} 2 if there is no such executable or cgroup id.
 */
export function findCaller(
  identities: Identities,
  root: string | undefined,
  { cgroup = "/", uid = "0", exe }: AskedCaller,
): FoundCaller {
  if (!/^\d{1,10}$/.test(uid) || Number(uid) > MAX_UID) {
    throw new Refusal(2, `Expected a uid from 0 to ${MAX_UID}, got ${JSON.stringify(uid)}`);
  }
  const place = locateCgroup(root, cgroup);
  const running = exe === undefined ? undefined : findExecutable(identities, exe);
  return {
    caller: {
      uid: Number(uid),
      cgroups: place.there.map(({ id }) => id),
      missing: place.missing,
      ...(running ? { exe: running.identity } : {}),
    },
    shown: {
      cgroup: {
        path: place.path,
        ...(place.missing.length === 0 ? { id: String(place.there.at(-1)?.id ?? ROOT_ID) } : {}),
      },
      uid: Number(uid),
      exe: running && exe !== undefined ? { path: exe, identity: identityText(running.identity) } : null,
    },
    cgroupMissing: place.missing.length > 0,
  };
}

/**
 * Where in the hierarchy a cgroup is, given by its path or as `id:N`.
 *
 * @throws {Refusal} 2 if it is no cgroup's name, or there is none with the id.
 */
export function locateCgroup(root: string | undefined, text: string): LocatedCgroup {
  // As people copy it from a shell; a policy names cgroups without the mount.
  const below = root !== undefined && (text === root || text.startsWith(`${root}/`))
    ? text.slice(root.length) || "/"
    : text;
  const parsed = parseCgroup(below);
  if (!parsed.ok) throw new Refusal(2, `Expected a cgroup: ${parsed.message}`);
  const path = parsed.value.kind === "path" ? parsed.value.path : pathOfId(root, parsed.value.id);
  const names = path.split("/").filter((name) => name !== "");
  const there: Pick<FoundCgroup, "id">[] = [];
  for (let level = 0; level <= names.length; level++) {
    const found = root === undefined ? undefined : cgroupAt(root, `/${names.slice(0, level).join("/")}`);
    if (found === undefined) break;
    there.push(found);
  }
  if (there.length === 0) there.push({ id: ROOT_ID });
  return { path, there, missing: names.slice(there.length - 1) };
}

/** Operations on a name: a symbolic link is what they are about, not what it leads to. */
const OF_NAMES: readonly Operation[] = ["delete", "rename", "link"];
const MAX_UID = 0xffff_fffe;
const MAX_LINKS = 40;
/** `WALK_LEVELS` in bpf/subtree.h. */
const MAX_LEVELS = 128;
/** Id of the root cgroup of the default hierarchy. */
const ROOT_ID = 1n;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** How long what was found out about mounts and directories is taken to be true, milliseconds. */
const GLANCE_MS = 1000;
const MAX_DIRECTORIES = 4096;

function aboveAtAGlance(
  identities: Identities,
  handle: FileDescriptor,
  glance: HostGlance,
): Subject["above"] {
  const parent = identities.above(handle, 1)?.identity;
  return parent === undefined ? [] : [parent, ...glance.above(parent, () => above(identities, handle, 2))];
}

function above(identities: Identities, handle: FileDescriptor, from = 1): Subject["above"] {
  const found = [];
  for (let level = from; level <= MAX_LEVELS; level++) {
    const known = identities.above(handle, level);
    if (known === undefined) break;
    found.push(known.identity);
  }
  return found;
}

/** The nearest directory that is there, and the names below it that are not. */
function missingSubject(identities: Identities, asked: string): FoundSubject {
  let path = asked;
  let missing: string[] = [];
  for (let links = 0; links <= MAX_LINKS;) {
    using handle = missing.length === 0 ? undefined : openIfThere(() => openPath(path));
    if (handle) {
      const known = identities.ofHandle(handle);
      const here = pathOf(handle);
      if (!isDirectory(known)) throw new Refusal(2, `nothing can stand at ${asked}: ${here} is no directory`);
      return {
        subject: { above: [known.identity, ...above(identities, handle)], missing },
        file: { state: "missing", path: `${here === "/" ? "" : here}/${missing.join("/")}` },
        notes: ["nothing stands there: this is about a file that is created there"],
      };
    }
    const target = linkTarget(path);
    const [parent, name] = splitLast(path);
    if (target !== undefined) {
      path = target.startsWith("/") ? target : `${parent}/${target}`;
      links++;
    } else {
      if (name === "..") throw new Refusal(2, `nothing can stand at ${asked}: ${parent} is not there`);
      if (name !== "." && name !== "") missing = [name, ...missing];
      path = parent;
    }
  }
  throw new Refusal(2, `it cannot be told what ${asked} is: too many symbolic links`);
}

function pathOfId(root: string | undefined, id: bigint): string {
  const found = root === undefined ? undefined : cgroupById(root, id);
  if (found === undefined) throw new Refusal(2, `there is no cgroup with the id ${id}`);
  return found.path;
}

function findExecutable(identities: Identities, exe: string): Known {
  if (!exe.startsWith("/") || exe.includes("\0")) {
    throw new Refusal(2, `Expected the absolute path of an executable, got ${JSON.stringify(exe)}`);
  }
  try {
    const known = identities.of(exe);
    if (known) return known;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw new Refusal(2, `it cannot be told what ${exe} is: ${error.message}`);
  }
  throw new Refusal(2, `there is no executable ${exe}`);
}

function isDirectory({ mode }: Known): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

function pathOf(handle: FileDescriptor): string {
  return Deno.readLinkSync(`/proc/self/fd/${handle.fd}`);
}

function linkTarget(path: string): string | undefined {
  try {
    return Deno.lstatSync(path).isSymlink ? Deno.readLinkSync(path) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw new Refusal(
      2,
      `it cannot be told what ${path} is: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function splitLast(path: string): [parent: string, name: string] {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, slash) || "/", path.slice(slash + 1)];
}
