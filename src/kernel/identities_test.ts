import { deepStrictEqual, notDeepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { openPath } from "../../ffi/libc.ts";
import { openIfThere } from "./identities.ts";
import { TestKernel } from "./test_support.ts";

const S_IFMT = 0o170000;

Deno.test("of() tells the inode number, mode and number of names that stat shows", () => {
  using kernel = new TestKernel();
  const path = kernel.file("one");
  Deno.linkSync(path, `${kernel.folder}/other`);
  const known = kernel.state.identities.of(path);
  const stat = Deno.statSync(path);
  deepStrictEqual([known?.identity.ino, known?.mode, known?.links], [BigInt(stat.ino ?? 0), stat.mode, 2]);
});

Deno.test("of() gives undefined when nothing is there, or a file where a directory is needed", () => {
  using kernel = new TestKernel();
  const path = kernel.file("file");
  strictEqual(kernel.state.identities.of(`${kernel.folder}/missing`), undefined);
  strictEqual(kernel.state.identities.of(`${kernel.folder}/missing/below`), undefined);
  strictEqual(kernel.state.identities.of(`${path}/below`), undefined);
});

Deno.test("of() follows a symbolic link unless it is told not to", () => {
  using kernel = new TestKernel();
  const path = kernel.file("target");
  const link = `${kernel.folder}/link`;
  Deno.symlinkSync("target", link);
  const { identities } = kernel.state;
  deepStrictEqual(identities.of(link), identities.of(path));
  const itself = identities.of(link, { follow: false });
  strictEqual((itself?.mode ?? 0) & S_IFMT, 0o120000);
  notDeepStrictEqual(itself?.identity, identities.of(path)?.identity);
  Deno.symlinkSync("nowhere", `${kernel.folder}/dangling`);
  strictEqual(identities.of(`${kernel.folder}/dangling`), undefined);
  ok(identities.of(`${kernel.folder}/dangling`, { follow: false }));
});

Deno.test("of() fails with ELOOP when symbolic links go round", () => {
  using kernel = new TestKernel();
  Deno.symlinkSync("loop", `${kernel.folder}/loop`);
  throws(() => kernel.state.identities.of(`${kernel.folder}/loop`), { code: "ELOOP" });
});

Deno.test("of() tells the same of all names of a file, and something else of another file", () => {
  using kernel = new TestKernel();
  const one = kernel.file("one");
  const two = kernel.file("two");
  Deno.linkSync(one, `${kernel.folder}/hard`);
  deepStrictEqual(kernel.identityOf(`${kernel.folder}/hard`), kernel.identityOf(one));
  notDeepStrictEqual(kernel.identityOf(two), kernel.identityOf(one));
});

Deno.test("in() looks up a name in an open directory without following links", () => {
  using kernel = new TestKernel();
  const path = kernel.file("name");
  Deno.symlinkSync("name", `${kernel.folder}/link`);
  using directory = openPath(kernel.folder);
  const { identities } = kernel.state;
  deepStrictEqual(identities.in(directory, "name"), identities.of(path));
  strictEqual((identities.in(directory, "link")?.mode ?? 0) & S_IFMT, 0o120000);
  strictEqual(identities.in(directory, "missing"), undefined);
});

Deno.test("ofHandle() tells what a descriptor holds after its name is gone", () => {
  using kernel = new TestKernel();
  const path = kernel.file("gone");
  const before = kernel.identityOf(path);
  using handle = openPath(path);
  Deno.removeSync(path);
  const known = kernel.state.identities.ofHandle(handle);
  deepStrictEqual([known.identity, known.links], [before, 0]);
});

Deno.test("openIfThere() lets through errors other than that nothing is there", () => {
  using kernel = new TestKernel();
  Deno.symlinkSync("loop", `${kernel.folder}/loop`);
  throws(() => openIfThere(() => openPath(`${kernel.folder}/loop`)), { code: "ELOOP" });
  throws(
    () =>
      openIfThere(() => {
        throw new TypeError("other");
      }),
    TypeError,
  );
});
