import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { writeDurably } from "./durable_file.ts";

function inFolder(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-durable-" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("writeDurably() writes the whole content with mode 0600 and leaves no other file", () => {
  inFolder((folder) => {
    const content = crypto.getRandomValues(new Uint8Array(60_000));
    writeDurably(`${folder}/file`, content);
    deepStrictEqual(Deno.readFileSync(`${folder}/file`), content);
    strictEqual((Deno.statSync(`${folder}/file`).mode ?? 0) & 0o777, 0o600);
    deepStrictEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["file"]);
  });
});

Deno.test("writeDurably() replaces what is there by another file, so that a reader has old or new", () => {
  inFolder((folder) => {
    writeDurably(`${folder}/file`, "old");
    using reader = Deno.openSync(`${folder}/file`);
    writeDurably(`${folder}/file`, "new content");
    const seen = new Uint8Array(20);
    strictEqual(new TextDecoder().decode(seen.subarray(0, reader.readSync(seen) ?? 0)), "old");
    strictEqual(Deno.readTextFileSync(`${folder}/file`), "new content");
  });
});

Deno.test("writeDurably() goes on over what an agent that died left half written", () => {
  inFolder((folder) => {
    writeDurably(`${folder}/file`, "old");
    Deno.writeTextFileSync(`${folder}/file.new`, "half of something that is longer than the next");
    strictEqual(Deno.readTextFileSync(`${folder}/file`), "old");
    writeDurably(`${folder}/file`, "new");
    strictEqual(Deno.readTextFileSync(`${folder}/file`), "new");
    deepStrictEqual([...Deno.readDirSync(folder)].length, 1);
  });
});

Deno.test("writeDurably() keeps the old content when the new cannot be written", () => {
  inFolder((folder) => {
    writeDurably(`${folder}/file`, "old");
    Deno.mkdirSync(`${folder}/file.new`);
    throws(() => writeDurably(`${folder}/file`, "new"));
    strictEqual(Deno.readTextFileSync(`${folder}/file`), "old");
  });
});

Deno.test("writeDurably() fails when the folder is missing", () => {
  inFolder((folder) => throws(() => writeDurably(`${folder}/missing/file`, ""), Deno.errors.NotFound));
});
