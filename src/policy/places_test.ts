import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { errnoNumber, type FileDescriptor, SystemError } from "../../ffi/libc.ts";
import { type EntrySink, entryText, type SetEntry } from "../kernel/entries.ts";
import type { Identities } from "../kernel/identities.ts";
import { AEGIS, KIND } from "../kernel/layout.ts";
import { type Identity, identityTail, nameHash } from "../kernel/packed.ts";
import { TestKernel } from "../kernel/test_support.ts";
import { type PathMeaning, PlaceTree, PlaceWalker } from "./places.ts";

const FILE: PathMeaning = { kind: "file", rule: 1 };
const SUBTREE: PathMeaning = { kind: "subtree", rule: 1 };
const EXECUTABLE: PathMeaning = { kind: "executable", mask: 4n };

/** Keeps what a walk says, and answers questions about it. */
class Heard implements EntrySink {
  readonly entries = new Map<string, SetEntry>();

  add(entry: SetEntry): void {
    this.entries.set(entryText(entry), entry);
  }

  of(kind: number): SetEntry[] {
    return [...this.entries.values()].filter((entry) => entry.kind === kind);
  }

  /** Whether a kind of entry names a file. */
  names(kind: number, { ino, dev, gen }: Identity): boolean {
    return this.of(kind).some(({ a, b }) => a === ino && b === identityTail({ dev, gen }));
  }

  /** The place that names lead to from the root, by the edges that were said; undefined where one is missing. */
  placeOf(path: string): number | undefined {
    return path.split("/").filter((name) => name !== "").reduce<number | undefined>(
      (node, name) =>
        this.of(KIND.EDGE).find(({ a, b }) => a === BigInt(node ?? 0) && b === nameHash(name))?.node,
      1,
    );
  }

  /** Whether whatever comes to stand at a path is covered. */
  hasLeaf(path: string, kind: number = KIND.LEAF): boolean {
    const at = path.lastIndexOf("/");
    const node = this.placeOf(path.slice(0, at));
    return node !== undefined &&
      this.of(kind).some(({ a, b }) => a === BigInt(node) && b === nameHash(path.slice(at + 1)));
  }
}

/** Walks paths in a temporary folder. */
class Ground extends TestKernel {
  readonly heard = new Heard();
  readonly tree = new PlaceTree();

  bind(path: string, meaning = FILE): Identity | undefined {
    using walker = new PlaceWalker(this.state.identities, this.tree, this.heard);
    return walker.bind(`${this.folder}/${path}`, meaning);
  }

  at(path: string): Identity {
    return this.identityOf(`${this.folder}/${path}`);
  }

  link(path: string, target: string): void {
    Deno.symlinkSync(target, `${this.folder}/${path}`);
  }

  folders(...paths: string[]): void {
    for (const path of paths) Deno.mkdirSync(`${this.folder}/${path}`, { recursive: true });
  }

  /** What a symbolic link itself is. */
  linkAt(path: string): Identity {
    const known = this.state.identities.of(`${this.folder}/${path}`, { follow: false });
    if (known === undefined) throw new Error(`Expected a link at ${path}`);
    return known.identity;
  }

  hasLeaf(path: string, kind?: number): boolean {
    return this.heard.hasLeaf(`${this.folder}/${path}`, kind);
  }
}

Deno.test("PlaceTree gives each name at a place a number that stays, other than the roots'", () => {
  const tree = new PlaceTree();
  const numbers = [tree.child(1, "a"), tree.child(1, "b"), tree.child(3, "a"), tree.child(2, "a")];
  strictEqual(new Set(numbers).size, 4);
  ok(numbers.every((number) => number > 2));
  deepStrictEqual([tree.child(1, "a"), tree.child(3, "a")], [numbers[0], numbers[2]]);
});

Deno.test("bind() covers the file at a plain path, its name, and every directory on the way", () => {
  using ground = new Ground();
  ground.folders("a/b");
  ground.file("a/b/c");
  deepStrictEqual(ground.bind("a/b/c"), ground.at("a/b/c"));
  ok(ground.heard.names(KIND.FILE, ground.at("a/b/c")));
  ok(ground.hasLeaf("a/b/c"));
  for (const folder of ["", "a", "a/b"]) ok(ground.heard.names(KIND.PLACE, ground.at(folder)), folder);
  ok(ground.heard.names(KIND.PLACE, ground.identityOf("/")));
  deepStrictEqual(ground.heard.of(KIND.DIR), []);
});

Deno.test("bind() knows the names of a path at which nothing stands, from where the directories end", () => {
  using ground = new Ground();
  ground.folders("a");
  strictEqual(ground.bind("a/b/c/d"), undefined);
  ok(ground.hasLeaf("a/b/c/d"));
  ok(ground.heard.names(KIND.PLACE, ground.at("a")));
  deepStrictEqual(ground.heard.of(KIND.FILE), []);
});

Deno.test("bind() waits when a file stands where the path needs a directory", () => {
  using ground = new Ground();
  ground.file("a");
  strictEqual(ground.bind("a/b"), undefined);
  ok(ground.hasLeaf("a/b"));
  ok(!ground.heard.names(KIND.PLACE, ground.at("a")));
});

Deno.test("bind() covers what a symbolic link at the end leads to, and the link's own name", () => {
  using ground = new Ground();
  ground.folders("real");
  ground.file("real/target");
  ground.link("link", `${ground.folder}/real/target`);
  deepStrictEqual(ground.bind("link"), ground.at("real/target"));
  ok(ground.heard.names(KIND.FILE, ground.at("real/target")));
  ok(ground.heard.names(KIND.FILE, ground.linkAt("link")));
  ok(ground.hasLeaf("link") && ground.hasLeaf("real/target"));
});

Deno.test("bind() covers the name that a dangling link leads to", () => {
  using ground = new Ground();
  ground.link("link", "later/target");
  strictEqual(ground.bind("link"), undefined);
  ok(ground.hasLeaf("link") && ground.hasLeaf("later/target"));
});

Deno.test("bind() follows a symbolic link in the middle, and keeps the path that it interrupts", () => {
  using ground = new Ground();
  ground.folders("v2/etc");
  ground.file("v2/etc/key");
  ground.link("current", "v2");
  deepStrictEqual(ground.bind("current/etc/key"), ground.at("v2/etc/key"));
  ok(ground.hasLeaf("v2/etc/key"), "where the file is");
  ok(ground.hasLeaf("current/etc/key"), "for the day when a directory replaces the link");
  ok(ground.heard.names(KIND.PLACE, ground.linkAt("current")));
  ok(ground.heard.names(KIND.PLACE, ground.at("v2/etc")));
});

Deno.test("bind() resolves .. of a relative link from where the link is", () => {
  using ground = new Ground();
  ground.folders("a/b", "c");
  ground.file("c/target");
  ground.link("a/b/link", "../.././c//target");
  deepStrictEqual(ground.bind("a/b/link"), ground.at("c/target"));
  ok(ground.hasLeaf("c/target"));
  ground.link("a/b/up", "..");
  deepStrictEqual(ground.bind("a/b/up", SUBTREE), ground.at("a"));
  ground.link("above", "../../../../../../../../../../../../..");
  deepStrictEqual(ground.bind("above", SUBTREE), ground.identityOf("/"), ".. of the root is the root");
});

Deno.test("bind() resolves .. after a link from where the link leads", () => {
  using ground = new Ground();
  ground.folders("deep/er", "deep/side");
  ground.file("deep/side/file");
  ground.link("jump", "deep/er");
  ground.link("file", "jump/../side/file");
  deepStrictEqual(ground.bind("file"), ground.at("deep/side/file"));
});

Deno.test("bind() comes to an end when links go round, or lead on and on", () => {
  using ground = new Ground();
  ground.link("self", "self");
  ground.link("a", "b/x");
  ground.link("b", "a/y");
  ground.link("grow", "grow/grow/grow");
  for (const path of ["self", "a", "b/deep/file", "grow", "self/below"]) {
    strictEqual(ground.bind(path), undefined, path);
  }
  for (let i = 0; i < 39; i++) ground.link(`chain${i}`, `chain${i + 1}`);
  ground.file("chain39");
  deepStrictEqual(ground.bind("chain0"), ground.at("chain39"), "as many as the kernel follows");
});

Deno.test("bind() covers a subtree by its directory, and nothing by a file that stands there", () => {
  using ground = new Ground();
  ground.folders("dir");
  ground.file("plain");
  deepStrictEqual(ground.bind("dir", SUBTREE), ground.at("dir"));
  ok(ground.heard.names(KIND.DIR, ground.at("dir")));
  strictEqual(ground.bind("plain", SUBTREE), undefined);
  ok(!ground.heard.names(KIND.DIR, ground.at("plain")));
  ok(ground.heard.of(KIND.LEAF).every(({ mask }) => mask === BigInt(AEGIS.LEAF_SUBTREE)));
});

Deno.test("bind() covers a subtree through a symbolic link to a directory", () => {
  using ground = new Ground();
  ground.folders("dir");
  ground.link("link", "dir");
  deepStrictEqual(ground.bind("link", SUBTREE), ground.at("dir"));
  ok(ground.heard.names(KIND.DIR, ground.at("dir")));
});

Deno.test("bind() covers the whole file system by its root", () => {
  using ground = new Ground();
  using walker = new PlaceWalker(ground.state.identities, ground.tree, ground.heard);
  deepStrictEqual(walker.bind("/", SUBTREE), ground.identityOf("/"));
  ok(ground.heard.names(KIND.DIR, ground.identityOf("/")));
});

Deno.test("bind() makes who runs an executable a member, by its file and by its name", () => {
  using ground = new Ground();
  ground.file("tool");
  deepStrictEqual(ground.bind("tool", EXECUTABLE), ground.at("tool"));
  ok(ground.heard.names(KIND.EXE, ground.at("tool")));
  ok(ground.hasLeaf("tool", KIND.EXE_LEAF));
  deepStrictEqual([ground.heard.of(KIND.FILE), ground.heard.of(KIND.LEAF)], [[], []]);
});

Deno.test("bind() says the same again when nothing changed, and only more when something did", () => {
  using ground = new Ground();
  const before = ground.file("a");
  ground.bind("a");
  const said = [...ground.heard.entries.keys()];
  ground.bind("a");
  deepStrictEqual([...ground.heard.entries.keys()], said);
  Deno.renameSync(ground.file("b"), before);
  ground.bind("a");
  deepStrictEqual([...ground.heard.entries.keys()].slice(0, said.length), said);
  strictEqual(ground.heard.entries.size, said.length + 1);
});

Deno.test("bind() takes names with odd bytes as they are", () => {
  using ground = new Ground();
  for (const name of ["with space", "ä-😀", "-dash", "x".repeat(255), "..."]) {
    ground.file(name);
    deepStrictEqual(ground.bind(name), ground.at(name), name);
  }
});

Deno.test("bind() waits for a path that no file system can have", () => {
  using ground = new Ground();
  strictEqual(ground.bind("p/".repeat(600)), undefined);
});

Deno.test("bind() waits at a file system that does not answer, and does not hide that descriptors ran out", () => {
  using ground = new Ground();
  const failing = (errno: number) => {
    const identities = {
      in: () => {
        throw new SystemError(errno, "openat");
      },
      ofHandle: (handle: FileDescriptor) => ground.state.identities.ofHandle(handle),
    };
    using walker = new PlaceWalker(identities as unknown as Identities, ground.tree, ground.heard);
    return [walker.bind("/mnt/share/file", FILE), walker.unreachable];
  };
  for (const code of ["EACCES", "EIO", "ENOTCONN", "ESTALE"] as const) {
    deepStrictEqual(failing(errnoNumber(code)), [undefined, code]);
  }
  ok(ground.heard.hasLeaf("/mnt/share/file"));
  throws(() => failing(errnoNumber("EMFILE")), { code: "EMFILE" });
});

Deno.test("unreachable is said of every path below a directory that cannot be opened, and of no other", () => {
  using ground = new Ground();
  ground.folders("there", "barred");
  const barred = `${ground.folder}/barred`;
  const { identities } = ground.state;
  const { ino } = Deno.lstatSync(barred);
  // As a FUSE file system of another user: its root can be seen, and nothing in it.
  const asked = {
    in: (directory: FileDescriptor, name: string) => {
      if (Deno.statSync(`/proc/self/fd/${directory.fd}`).ino === ino) {
        throw new SystemError(errnoNumber("EACCES"), "openat");
      }
      return identities.in(directory, name);
    },
    ofHandle: (handle: FileDescriptor) => identities.ofHandle(handle),
  };
  using walker = new PlaceWalker(asked as unknown as Identities, ground.tree, ground.heard);
  const found = [`${barred}/one`, `${ground.folder}/there/none`, `${barred}/two/three`].map((path) => {
    walker.bind(path, FILE);
    return walker.unreachable;
  });
  deepStrictEqual(found, ["EACCES", undefined, "EACCES"]);
});

Deno.test("PlaceWalker keeps few directories open, however many its paths lie in", () => {
  using ground = new Ground();
  const names = Array.from({ length: 1000 }, (_, index) => `d${index}`);
  ground.folders(...names);
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  using walker = new PlaceWalker(ground.state.identities, ground.tree, ground.heard);
  for (const name of names) walker.bind(`${ground.folder}/${name}/file`, FILE);
  ok(open() - before < 400, `${open() - before} open`);
});

Deno.test("PlaceWalker looks at 10,000 paths in seconds and leaves no descriptor open", () => {
  using ground = new Ground();
  ground.folders(...Array.from({ length: 100 }, (_, index) => `d${index}`));
  const paths = Array.from({ length: 10_000 }, (_, index) => `${ground.folder}/d${index % 100}/f${index}`);
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  const started = performance.now();
  {
    using walker = new PlaceWalker(ground.state.identities, ground.tree, ground.heard);
    for (const path of paths) strictEqual(walker.bind(path, FILE), undefined);
  }
  ok(performance.now() - started < 10_000, `${performance.now() - started} ms`);
  strictEqual(open(), before);
  strictEqual(ground.heard.of(KIND.LEAF).length, 10_000);
});
