import { ok, strictEqual, throws } from "node:assert/strict";
import { AssetDamagedError, AssetMissingError, type AssetName, checkAsset, loadAsset } from "./assets.ts";

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

Deno.test("checkAsset() refuses an object that is not the one at build time", () => {
  const sums = { "aegis.bpf.o": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" };
  const bytes = new TextEncoder().encode("abc");
  checkAsset("aegis.bpf.o", bytes, sums);
  checkAsset("libbpf.so", bytes, sums);
  throws(() => checkAsset("aegis.bpf.o", bytes.subarray(1), sums), AssetDamagedError);
});
