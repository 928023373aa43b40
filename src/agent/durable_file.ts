/**
 * Files that survive a power cut: either the old content is there or the new, whole.
 *
 * @module
 */
import { dirname } from "node:path";

/** Writes a file of mode 0600: new content to a temporary name, flushed, renamed over the old one, folder flushed. */
export function writeDurably(path: string, content: Uint8Array | string): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const temporary = `${path}.new`;
  {
    using file = Deno.openSync(temporary, { write: true, create: true, truncate: true, mode: 0o600 });
    for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
    file.syncSync();
  }
  Deno.renameSync(temporary, path);
  using folder = Deno.openSync(dirname(path));
  folder.syncSync();
}
