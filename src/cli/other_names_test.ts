import { deepEqual, equal } from "node:assert/strict";
import { findOtherNames } from "./other_names.ts";

class Tree implements Disposable {
  readonly root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "aegisbpf-names-" }));
  readonly file = `${this.root}/a/b/file`;

  constructor(...links: string[]) {
    Deno.mkdirSync(`${this.root}/a/b`, { recursive: true });
    Deno.mkdirSync(`${this.root}/c`);
    Deno.writeTextFileSync(this.file, "");
    for (const link of links) Deno.linkSync(this.file, `${this.root}/${link}`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

Deno.test("findOtherNames() finds hard links beside, above and elsewhere", () => {
  using tree = new Tree("a/b/twin", "a/up", "c/far");
  deepEqual(findOtherNames(tree.file), {
    names: [`${tree.root}/a/b/twin`, `${tree.root}/a/up`, `${tree.root}/c/far`],
    complete: true,
  });
});

Deno.test("findOtherNames() takes a symbolic link for no name", () => {
  using tree = new Tree("c/far");
  Deno.symlinkSync(tree.file, `${tree.root}/a/b/soft`);
  deepEqual(findOtherNames(tree.file).names, [`${tree.root}/c/far`]);
});

Deno.test("findOtherNames() says so when it was cut off", () => {
  using tree = new Tree("c/far");
  deepEqual(findOtherNames(tree.file, { entries: 1 }), {
    names: [],
    complete: false,
    reason: "the search was cut off",
  });
});

Deno.test("findOtherNames() says so when the file is gone", () => {
  equal(findOtherNames("/no/such/file").complete, false);
});
