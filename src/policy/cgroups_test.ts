import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type EntrySink, entryText, type SetEntry } from "../kernel/entries.ts";
import { cgroupRoot } from "../kernel/host.ts";
import { KIND } from "../kernel/layout.ts";
import { nameHash } from "../kernel/packed.ts";
import { bindCgroup, cgroupAt, cgroupById, findCgroup, levelOf, MAX_CGROUP_LEVEL } from "./cgroups.ts";
import type { CgroupRef } from "./model.ts";
import { PlaceTree } from "./places.ts";

/** Folders that stand for a cgroup hierarchy. */
class Hierarchy implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "aegisbpf-cgroups-" });
  readonly tree = new PlaceTree();
  readonly entries = new Map<string, SetEntry>();
  readonly #sink: EntrySink = { add: (entry) => this.entries.set(entryText(entry), entry) };

  constructor(...paths: string[]) {
    for (const path of paths) Deno.mkdirSync(`${this.root}${path}`, { recursive: true });
  }

  bind(cgroup: CgroupRef, mask = 2n, root: string | undefined = this.root): boolean {
    return bindCgroup(root, cgroup, mask, this.tree, this.#sink);
  }

  idOf(path: string): bigint {
    return BigInt(Deno.statSync(`${this.root}${path}`).ino ?? 0);
  }

  of(kind: number): SetEntry[] {
    return [...this.entries.values()].filter((entry) => entry.kind === kind);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

function byPath(path: string): CgroupRef {
  return { kind: "path", path, line: 1 };
}

Deno.test("findCgroup() finds a cgroup by its path and by its id, with its level", () => {
  using host = new Hierarchy("/system.slice/web.service/worker");
  const path = "/system.slice/web.service";
  const expected = { id: host.idOf(path), level: 2, path };
  deepStrictEqual(findCgroup(host.root, byPath(path)), expected);
  deepStrictEqual(findCgroup(host.root, { kind: "id", id: expected.id, line: 1 }), expected);
  deepStrictEqual(cgroupById(host.root, host.idOf("/")), { id: host.idOf("/"), level: 0, path: "/" });
});

Deno.test("findCgroup() gives undefined when there is none, or something else stands there", () => {
  using host = new Hierarchy("/a");
  Deno.writeTextFileSync(`${host.root}/a/cgroup.procs`, "");
  strictEqual(cgroupAt(host.root, "/missing/below"), undefined);
  strictEqual(cgroupAt(host.root, "/a/cgroup.procs/below"), undefined);
  strictEqual(cgroupById(host.root, 2n ** 63n), undefined);
});

Deno.test("levelOf() is the depth of a path, and the deepest for an id", () => {
  deepStrictEqual(["/", "/a", "/a/b/c"].map((path) => levelOf(byPath(path))), [0, 1, 3]);
  strictEqual(levelOf({ kind: "id", id: 5n, line: 1 }), MAX_CGROUP_LEVEL);
});

Deno.test("MAX_CGROUP_LEVEL is how deep the kernel side looks", () => {
  const source = Deno.readTextFileSync(new URL("../../bpf/decide.h", import.meta.url));
  strictEqual(Number(source.match(/^#define CGROUP_LEVELS (\d+)/m)?.[1]), MAX_CGROUP_LEVEL);
});

Deno.test("bindCgroup() makes a cgroup a member and knows it again by its place", () => {
  using host = new Hierarchy("/system.slice/web.service");
  ok(host.bind(byPath("/system.slice/web.service")));
  deepStrictEqual(host.of(KIND.CGROUP).map(({ a, mask }) => [a, mask]), [
    [host.idOf("/system.slice/web.service"), 2n],
  ]);
  deepStrictEqual(host.of(KIND.CGROUP_PLACE).map(({ a }) => a), [
    host.idOf("/"),
    host.idOf("/system.slice"),
  ]);
  const [leaf] = host.of(KIND.CGROUP_LEAF);
  deepStrictEqual([leaf?.b, leaf?.mask], [nameHash("web.service"), 2n]);
  strictEqual(
    leaf?.a,
    BigInt(host.of(KIND.CGROUP_PLACE)[1]?.node ?? 0),
    "the leaf hangs at its parent's place",
  );
});

Deno.test("bindCgroup() waits for a cgroup that is not there, at the places above it", () => {
  using host = new Hierarchy("/system.slice");
  strictEqual(host.bind(byPath("/system.slice/late.service/worker")), false);
  deepStrictEqual(host.of(KIND.CGROUP), []);
  strictEqual(host.of(KIND.CGROUP_PLACE).length, 2);
  strictEqual(host.of(KIND.CGROUP_LEAF).length, 1);
});

Deno.test("bindCgroup() takes an id as it is, and the root without a place", () => {
  using host = new Hierarchy();
  strictEqual(host.bind({ kind: "id", id: 77n, line: 1 }), false);
  strictEqual(host.bind(byPath("/"), 4n), true);
  deepStrictEqual(host.of(KIND.CGROUP).map(({ a, mask }) => [a, mask]), [[77n, 2n], [host.idOf("/"), 4n]]);
  deepStrictEqual(host.of(KIND.CGROUP_LEAF), []);
});

Deno.test("bindCgroup() says what it can where no hierarchy is mounted", () => {
  using host = new Hierarchy();
  const entries = new Map<string, SetEntry>();
  const sink: EntrySink = { add: (entry) => entries.set(entryText(entry), entry) };
  strictEqual(bindCgroup(undefined, byPath("/a/b"), 2n, host.tree, sink), false);
  deepStrictEqual([...entries.values()].map(({ kind }) => kind), [KIND.EDGE, KIND.EDGE, KIND.CGROUP_LEAF]);
});

Deno.test({
  name: "cgroupAt() gives the id of a real cgroup (needs a cgroup2 mount)",
  ignore: cgroupRoot() === undefined,
  fn() {
    const root = cgroupRoot() ?? "";
    ok((cgroupAt(root, "/")?.id ?? 0n) > 0n);
  },
});
