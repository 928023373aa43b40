import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { libc, mount, MountFlags, unmount } from "../../ffi/libc.ts";
import { LinkSearch } from "./link_search.ts";
import type { CoveredDirectory } from "./nested_mounts.ts";
import { acceptPolicy } from "./testing.ts";

// Opened here, or the first test that needs it would seem to leak it.
libc();

/** A directory `tree` beside one with other names. */
class Ground implements Disposable {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "aegisbpf-links-" });

  constructor() {
    Deno.mkdirSync(`${this.folder}/tree/sub`, { recursive: true });
    for (const name of ["one", "sub/two", "sub/three"]) {
      Deno.writeTextFileSync(`${this.folder}/tree/${name}`, name);
    }
  }

  link(from: string, to: string): void {
    Deno.linkSync(`${this.folder}/${from}`, `${this.folder}/${to}`);
  }

  search(most?: number): LinkSearch {
    const policy = acceptPolicy(`version: 1\nname: n\nserial: 1\nrules:\n  - { id: r, paths: [/tree/**] }\n`);
    const [rule] = policy.rules;
    if (rule === undefined) throw new TypeError("Expected a rule");
    const directory: CoveredDirectory = { rule, index: 3, path: `${this.folder}/tree` };
    return new LinkSearch([directory, { ...directory, path: `${this.folder}/missing` }], most);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("step() finds files that have a name outside, and none whose names are all inside", () => {
  using ground = new Ground();
  ground.link("tree/sub/two", "out");
  ground.link("tree/sub/three", "tree/also");
  const search = ground.search();
  deepStrictEqual(search.step(10_000), [{ path: `${ground.folder}/tree/sub/two`, index: 3 }]);
  ok(search.isOver && !search.isCut);
  strictEqual(search.looked, 5);
});

Deno.test("step() leaves alone what is mounted in the directory", () => {
  using ground = new Ground();
  Deno.mkdirSync(`${ground.folder}/other`);
  Deno.writeTextFileSync(`${ground.folder}/other/file`, "other");
  ground.link("other/file", "out");
  Deno.mkdirSync(`${ground.folder}/tree/at`);
  mount(`${ground.folder}/other`, `${ground.folder}/tree/at`, "", MountFlags.Bind);
  try {
    deepStrictEqual(ground.search().step(10_000), []);
  } finally {
    unmount(`${ground.folder}/tree/at`);
  }
});

Deno.test("step() goes on where it stopped", () => {
  using ground = new Ground();
  ground.link("tree/one", "out");
  const search = ground.search();
  let found = search.step(0);
  for (let steps = 0; !search.isOver && steps < 1000; steps++) found = [...found, ...search.step(1)];
  deepStrictEqual(found.map(({ path }) => path), [`${ground.folder}/tree/one`]);
});

Deno.test("step() stops at its limit with what it has found until then", () => {
  using ground = new Ground();
  ground.link("tree/one", "out");
  ground.link("tree/sub/two", "out2");
  const search = ground.search(2);
  deepStrictEqual(search.step(10_000).map(({ path }) => path), [`${ground.folder}/tree/one`]);
  ok(search.isOver && search.isCut);
  deepStrictEqual(search.step(10_000), []);
});
