import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { TemporaryBpffs } from "../../ffi/test_support.ts";
import { Anchor, type AnchorState } from "./anchor.ts";

const STATE: AnchorState = {
  serial: Number.MAX_SAFE_INTEGER,
  sha256: "ab".repeat(32),
  entries: 12,
  head: "cd".repeat(32),
};

function folders(bpffs: TemporaryBpffs, ...names: string[]): string[] {
  return names.map((name) => {
    Deno.mkdirSync(bpffs.pin(name));
    return bpffs.pin(name);
  });
}

Deno.test("Anchor keeps what was written as long as it is pinned", () => {
  using bpffs = new TemporaryBpffs();
  const [folder = ""] = folders(bpffs, "a");
  strictEqual(Anchor.find(folder), undefined);
  {
    using anchor = Anchor.open(folder);
    deepStrictEqual(anchor.read(), { serial: 0, sha256: "00".repeat(32), entries: 0, head: "00".repeat(32) });
    anchor.write(STATE);
    anchor.write({ entries: 13 });
  }
  using again = Anchor.find(folder);
  deepStrictEqual(again?.read(), { ...STATE, entries: 13 });
});

Deno.test("Anchor takes over what pins of another schema keep", () => {
  using bpffs = new TemporaryBpffs();
  const [old = "", empty = "", fresh = ""] = folders(bpffs, "old", "empty", "fresh");
  {
    using anchor = Anchor.open(old);
    anchor.write(STATE);
  }
  using anchor = Anchor.open(fresh, [empty, old]);
  deepStrictEqual(anchor.read(), STATE);
});
