/**
 * The files that travel with the agent: the BPF object and libbpf. They lie beside this module in the bundle and in
 * the compiled executable, and in `build/` when the agent runs from source.
 *
 * @module
 */

/** A file that `scripts/build` puts beside the bundle. */
export type AssetName = "aegis.bpf.o" | "libbpf.so";

/** The asset is not part of this build, or from source: `scripts/build` has not run. */
export class AssetMissingError extends Error {
  override readonly name = "AssetMissingError";

  constructor(readonly asset: AssetName, readonly path: string) {
    super(`Expected ${asset} at ${path}: run scripts/build to make it`);
  }
}

/**
 * The bytes of an asset. `libbpf.so` may be missing from a build made where Debian's archive is out of reach; the
 * system's library is used then.
 *
 * @throws {AssetMissingError} when this build has no such file
 */
export function loadAsset(name: AssetName): Uint8Array<ArrayBuffer> {
  const url = new URL(name, ASSET_FOLDER);
  try {
    return Deno.readFileSync(url);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new AssetMissingError(name, url.pathname);
    throw error;
  }
}

// One place and no search path: from the executable, anything outside its embedded folder is a path on the host, and
// the embedded folder has a predictable name below /tmp.
const ASSET_FOLDER = import.meta.url.endsWith("/src/kernel/assets.ts")
  ? new URL("../../build/", import.meta.url)
  : new URL("./", import.meta.url);
