import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { SetEntry } from "../kernel/entries.ts";
import { TestKernel } from "../kernel/test_support.ts";
import { acceptPolicy } from "../policy/testing.ts";
import { OldLinks } from "./old_links.ts";
import { oldLinksText } from "./old_links_view.ts";

Deno.test("OldLinks covers a file that has a name outside of a rule's directory, and says so once", () => {
  using kernel = new TestKernel();
  Deno.mkdirSync(`${kernel.folder}/tree`);
  kernel.file("tree/secret");
  kernel.file("tree/other");
  Deno.linkSync(`${kernel.folder}/tree/secret`, `${kernel.folder}/out`);
  const added: SetEntry[] = [];
  const links = new OldLinks(kernel.state.identities, () => ({ add: (entry) => void added.push(entry) }));
  const [rule] =
    acceptPolicy("version: 1\nname: n\nserial: 1\nrules:\n  - { id: r, paths: [/tree/**] }\n").rules;
  if (rule === undefined) throw new TypeError("Expected a rule");
  const directories = [{ rule, index: 7, path: `${kernel.folder}/tree` }];
  links.begin({ sha256: "a", resolution: { directories } });
  let told = links.tick();
  for (let ticks = 0; told === undefined && ticks < 1000; ticks++) told = links.tick();
  strictEqual(told, "1 older hard link out of directories covered");
  strictEqual(links.tick(), undefined);
  deepStrictEqual(added.map(({ a, rule }) => [a, rule]), [[
    kernel.identityOf(`${kernel.folder}/out`).ino,
    7,
  ]]);
  links.begin({ sha256: "a", resolution: { directories: [...directories] } });
  strictEqual(links.tick(), undefined);
  deepStrictEqual(links.view(), { looked: 2, covered: 1, state: "whole" });
  links.begin({ sha256: "b", resolution: { directories: [] } });
  strictEqual(links.view(), undefined);
});

Deno.test("oldLinksText() says how far the search is", () => {
  strictEqual(
    oldLinksText({ looked: 10, covered: 2, state: "looking" }),
    "2 older hard links out of directories covered so far, 10 names looked at",
  );
  strictEqual(
    oldLinksText({ looked: 10, covered: 0, state: "partly" }),
    "0 older hard links out of directories covered; there are more files than are looked at, of which 10 were",
  );
});
