/**
 * The places that a policy's paths name, and what stands there now.
 *
 * Places are a tree of names below the root. Each path of a rule is walked name by name, so that the kernel side gets
 * to know every directory on the way; a symbolic link adds the path that it leads to, and the path that it interrupts
 * stays, for the case that a directory or file replaces the link.
 *
 * @module
 */
import { type FileDescriptor, openAt, OpenFlags, openPath, SystemError } from "../../ffi/libc.ts";
import {
  edgeEntry,
  type EntrySink,
  executableEntry,
  executableLeafEntry,
  fileEntry,
  leafEntry,
  placeEntry,
  subtreeEntry,
} from "../kernel/entries.ts";
import { type Identities, type Known, openIfThere } from "../kernel/identities.ts";
import { type Identity, nameHash } from "../kernel/packed.ts";

/** What a path means once something stands there. */
export type PathMeaning =
  | { readonly kind: "file"; readonly rule: number }
  | { readonly kind: "subtree"; readonly rule: number }
  | { readonly kind: "executable"; readonly mask: bigint };

/** Numbers the places of one policy. The numbers stay, so that what is in the kernel stays true. */
export class PlaceTree {
  readonly #nodes = new Map<string, number>();
  #next = FIRST;

  /** The place that a name at a place is. */
  child(node: number, name: string): number {
    const key = `${node}/${name}`;
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    this.#nodes.set(key, this.#next);
    return this.#next++;
  }
}

/** Walks paths and says what stands at them; directories that were opened on the way are kept until it is disposed of. */
export class PlaceWalker implements Disposable {
  readonly #identities: Identities;
  readonly #tree: PlaceTree;
  readonly #sink: EntrySink;
  readonly #opened = new Map<number, OpenDirectory | undefined>();
  /** Why directories that are there could not be opened, by place. */
  readonly #barred = new Map<number, string>();
  #unreachable: string | undefined;

  constructor(identities: Identities, tree: PlaceTree, sink: EntrySink) {
    this.#identities = identities;
    this.#tree = tree;
    this.#sink = sink;
  }

  /**
   * Adds all that a path means to the sink: its places, and what stands there.
   *
   * @param path Absolute, without `.`, `..` or empty names.
   * @returns What stands at the end of the path, symbolic links followed; undefined while nothing fitting does.
   */
  bind(path: string, meaning: PathMeaning): Identity | undefined {
    if (this.#opened.size >= KEPT_OPEN) this[Symbol.dispose]();
    this.#unreachable = undefined;
    return this.#walk([this.#root()], namesOf(path), meaning, MAX_LINKS);
  }

  /** Why the last path could not be looked at to its end, as an error's name; undefined where it could. */
  get unreachable(): string | undefined {
    return this.#unreachable;
  }

  /** Closes the directories. */
  [Symbol.dispose](): void {
    for (const directory of this.#opened.values()) directory?.handle[Symbol.dispose]();
    this.#opened.clear();
  }

  #walk(above: Step[], names: readonly string[], meaning: PathMeaning, links: number): Identity | undefined {
    const steps = [...above];
    for (const [index, name] of names.entries()) {
      const here = steps[steps.length - 1] ?? this.#root();
      if (name === "..") {
        if (steps.length > 1) steps.pop();
        continue;
      }
      const isLast = index === names.length - 1;
      const child = this.#tree.child(here.node, name);
      this.#addName(here.node, name, child, isLast ? meaning : undefined);
      const known = here.directory && this.#look(here.directory, name);
      if (known && isLink(known)) {
        this.#sink.add(placeEntry(known.identity, child));
        if (isLast) this.#cover(known, meaning);
        const rest = names.slice(index + 1);
        // What lies behind the link as well: for the day when a directory replaces it.
        this.#addNames(child, rest, meaning);
        return links === 0 || !here.directory
          ? undefined
          : this.#follow(steps, here.directory, name, rest, meaning, links);
      }
      if (isLast) return known && this.#cover(known, meaning);
      if (known && isDirectory(known)) this.#sink.add(placeEntry(known.identity, child));
      steps.push(known && isDirectory(known) ? this.#enter(here, name, child) : { node: child });
    }
    const last = steps[steps.length - 1]?.directory;
    return last && this.#cover(this.#identities.ofHandle(last), meaning);
  }

  #look(directory: FileDescriptor, name: string): Known | undefined {
    return this.#ifReachable(() => this.#identities.in(directory, name));
  }

  /** A server or FUSE process that does not answer, or not to root, has nothing there as far as can be told. */
  #ifReachable<T>(look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      if (!(error instanceof SystemError && UNREACHABLE.includes(error.code))) throw error;
      this.#unreachable = error.code;
      return undefined;
    }
  }

  #follow(
    steps: readonly Step[],
    directory: FileDescriptor,
    name: string,
    rest: readonly string[],
    meaning: PathMeaning,
    links: number,
  ): Identity | undefined {
    const target = readLinkIn(directory, name);
    if (target === undefined) return undefined;
    const start = target.startsWith("/") ? [this.#root()] : [...steps];
    return this.#walk(start, [...namesOf(target), ...rest], meaning, links - 1);
  }

  #addNames(from: number, names: readonly string[], meaning: PathMeaning): void {
    let node = from;
    for (const [index, name] of names.entries()) {
      const child = this.#tree.child(node, name);
      this.#addName(node, name, child, index === names.length - 1 ? meaning : undefined);
      node = child;
    }
  }

  #addName(node: number, name: string, child: number, meaning: PathMeaning | undefined): void {
    const hash = nameHash(name);
    this.#sink.add(edgeEntry(node, hash, child));
    if (meaning === undefined) return;
    this.#sink.add(
      meaning.kind === "executable"
        ? executableLeafEntry(node, hash, meaning.mask)
        : leafEntry(node, hash, meaning.rule, meaning.kind === "subtree"),
    );
  }

  /** Covers what stands there; undefined where it is not what the path means. */
  #cover(known: Known, meaning: PathMeaning): Identity | undefined {
    const { identity } = known;
    if (meaning.kind === "subtree") {
      if (!isDirectory(known)) return undefined;
      this.#sink.add(subtreeEntry(identity, meaning.rule));
    } else if (meaning.kind === "file") this.#sink.add(fileEntry(identity, meaning.rule));
    else this.#sink.add(executableEntry(identity, meaning.mask));
    return identity;
  }

  #root(): Step {
    if (!this.#opened.has(ROOT)) {
      const handle = openPath("/");
      this.#opened.set(ROOT, { handle });
      this.#identities.entered?.(handle);
      this.#sink.add(placeEntry(this.#identities.ofHandle(handle).identity, ROOT));
    }
    return step(ROOT, this.#opened.get(ROOT));
  }

  #enter(above: Step, name: string, node: number): Step {
    if (!this.#opened.has(node)) {
      const { directory } = above;
      const handle = directory && this.#ifReachable(() => openIfThere(() => openIn(directory, name)));
      this.#opened.set(node, handle && { handle });
      if (handle) this.#identities.entered?.(handle);
      if (this.#unreachable !== undefined) this.#barred.set(node, this.#unreachable);
    }
    this.#unreachable ??= this.#barred.get(node);
    return step(node, this.#opened.get(node));
  }
}

/** The place that every path begins at; 2 is the root cgroup, see cgroups.ts. */
const ROOT = 1;
const FIRST = 3;
/** Directories that are kept open from one path to the next; hosts may allow a process as few as 1024 files. */
const KEPT_OPEN = 256;
/** As the kernel's MAXSYMLINKS. */
const MAX_LINKS = 40;
const UNREACHABLE: readonly string[] = [
  "EACCES",
  "EIO",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOTCONN",
  "ESTALE",
  "ETIMEDOUT",
];
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

interface OpenDirectory {
  readonly handle: FileDescriptor;
}

/** A place on the way, with the directory that stands there, if one does. */
interface Step {
  readonly node: number;
  readonly directory?: FileDescriptor;
}

function step(node: number, opened: OpenDirectory | undefined): Step {
  return opened ? { node, directory: opened.handle } : { node };
}

function openIn(directory: FileDescriptor, name: string): FileDescriptor {
  return openAt(name, { flags: OpenFlags.Path | OpenFlags.NoFollow | OpenFlags.Directory, directory });
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function isLink({ mode }: Known): boolean {
  return (mode & S_IFMT) === S_IFLNK;
}

function isDirectory({ mode }: Known): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

function readLinkIn(directory: FileDescriptor, name: string): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${directory.fd}/${name}`);
  } catch (error) {
    // It was replaced since it was looked at; the next look sees by what.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.InvalidData) return undefined;
    if (
      error instanceof Error && "code" in error && ["EINVAL", ...UNREACHABLE].includes(String(error.code))
    ) {
      return undefined;
    }
    throw error;
  }
}
