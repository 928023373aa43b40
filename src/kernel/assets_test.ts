import { ok, strictEqual, throws } from "node:assert/strict";
import { AssetMissingError, type AssetName, loadAsset } from "./assets.ts";

Deno.test("loadAsset() reads an ELF object when the project is built", () => {
  const bytes = loadAsset("aegis.bpf.o");
  strictEqual(new TextDecoder().decode(bytes.subarray(1, 4)), "ELF");
});

Deno.test("loadAsset() names the path and the remedy when an asset is missing", () => {
  throws(() => loadAsset("absent.o" as AssetName), (error: unknown) => {
    ok(error instanceof AssetMissingError);
    ok(error.path.endsWith("/build/absent.o"), error.path);
    ok(error.message.includes("scripts/build"), error.message);
    return true;
  });
});
