/**
 * Makes the libbpf that this build carries the one that is used.
 *
 * @module
 */
import { useLibbpf } from "../../ffi/library.ts";
import { AssetMissingError, loadAsset } from "./assets.ts";

/**
 * Call it before the first use of libbpf; a second call does nothing. In a build without its own, the system's library
 * stays in use.
 */
export function useShippedLibbpf(): void {
  if (isChosen) return;
  isChosen = true;
  try {
    useLibbpf({ bytes: loadAsset("libbpf.so") });
  } catch (error) {
    if (!(error instanceof AssetMissingError)) throw error;
  }
}

let isChosen = false;
