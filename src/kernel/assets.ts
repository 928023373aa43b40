/**
 * The files that travel with the agent: the BPF object and libbpf. They lie beside this module in the bundle and in
 * the compiled executable, and in `build/` when the agent runs from source.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A file that `scripts/build` puts beside the bundle. */
export type AssetName = "aegis.bpf.o" | "libbpf.so";

/** The asset is not part of this build, or from source: `scripts/build` has not run. */
export class AssetMissingError extends Error {
  override readonly name = "AssetMissingError";

  constructor(readonly asset: AssetName, readonly path: string) {
    super(`Expected ${asset} at ${path}: run scripts/build to make it`);
  }
}

/** The asset is not the one that this program was built with. */
export class AssetDamagedError extends Error {
  override readonly name = "AssetDamagedError";

  constructor(readonly asset: AssetName, expected: string, found: string) {
    super(
      `Expected ${asset} with SHA-256 ${expected}, as this program was built with, got ${found}: install it again`,
    );
  }
}

/**
 * The bytes of an asset. `libbpf.so` may be missing from a build made where Debian's archive is out of reach; the
 * system's library is used then.
 *
 * @throws {AssetMissingError} when this build has no such file
 * @throws {AssetDamagedError} when it is another than at build time
 */
export function loadAsset(name: AssetName): Uint8Array<ArrayBuffer> {
  const url = new URL(name, ASSET_FOLDER);
  try {
    const bytes = Deno.readFileSync(url);
    checkAsset(name, bytes, typeof AEGISBPF_ASSET_SHA256 === "undefined" ? {} : AEGISBPF_ASSET_SHA256);
    return bytes;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new AssetMissingError(name, url.pathname);
    throw error;
  }
}

/**
 * Holds an asset against the hash that `scripts/build` put into the program; from source there is none.
 *
 * @throws {AssetDamagedError} when it is another
 */
export function checkAsset(
  name: AssetName,
  bytes: Uint8Array,
  sums: Readonly<Partial<Record<AssetName, string>>>,
): void {
  const expected = sums[name];
  if (expected === undefined) return;
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== expected) throw new AssetDamagedError(name, expected, found);
}

/** Defined by `scripts/build`. */
declare const AEGISBPF_ASSET_SHA256: Readonly<Partial<Record<AssetName, string>>> | undefined;

// One place and no search path: from the executable, anything outside its embedded folder is a path on the host, and
// the embedded folder has a predictable name below /tmp.
const ASSET_FOLDER = import.meta.url.endsWith("/src/kernel/assets.ts")
  ? new URL("../../build/", import.meta.url)
  : new URL("./", import.meta.url);
