import { ok, strictEqual } from "node:assert/strict";
import { DirectoryWatch } from "./directory_watch.ts";
import { libc, openPath } from "./libc.ts";

// Stays open, whichever test is the first to need it.
libc();

Deno.test("DirectoryWatch tells of names that come, go and change, once each, and of nothing else", () => {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-watch-" });
  try {
    using watch = new DirectoryWatch();
    for (let again = 0; again < 2; again++) {
      using directory = openPath(folder);
      watch.add(directory);
    }
    ok(watch.isWhole);
    const [one, other] = [`${folder}/one`, `${folder}/other`];
    const changes: readonly (() => void)[] = [
      () => Deno.writeTextFileSync(one, ""),
      () => Deno.renameSync(one, other),
      () => Deno.linkSync(other, one),
      () => Deno.removeSync(one),
      () => Deno.mkdirSync(one),
    ];
    for (const change of changes) {
      change();
      strictEqual(watch.changed(), true, String(change));
      strictEqual(watch.changed(), false, String(change));
    }
    Deno.writeTextFileSync(other, "text");
    Deno.readTextFileSync(other);
    Deno.writeTextFileSync(`${one}/below`, "");
    strictEqual(watch.changed(), false);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("DirectoryWatch is whole no more once there is a directory that it cannot watch", () => {
  using watch = new DirectoryWatch();
  using file = openPath("/proc/self/status");
  watch.add(file);
  strictEqual(watch.isWhole, false);
});
