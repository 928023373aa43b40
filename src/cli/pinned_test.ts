import { deepEqual, equal, match } from "node:assert/strict";
import { mount, unmount } from "../../ffi/libc.ts";
import { libbpf } from "../../ffi/library.ts";
import { AEGIS } from "../kernel/layout.ts";
import { readPinned } from "./pinned.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";
import { TestHost } from "./test_support.ts";

// Opened within a test it would count as a leak of that test.
useShippedLibbpf();
libbpf();

const ignore = Deno.uid() !== 0;

/** A bpffs where the host's pins go. */
function bpffs(host: TestHost): Disposable {
  const path = `${host.root}/bpffs`;
  Deno.mkdirSync(path);
  mount("bpf", path, "bpf", 0, "mode=0700");
  return { [Symbol.dispose]: () => unmount(path, { detach: true }) };
}

Deno.test("readPinned() finds none when there is no bpffs or nothing in it", () => {
  using host = new TestHost();
  deepEqual(readPinned(host.places.pins), { kind: "none" });
  Deno.mkdirSync(host.places.pins, { recursive: true });
  deepEqual(readPinned(host.places.pins), { kind: "none" });
});

Deno.test({
  name:
    "readPinned() says what is wrong when pins are half made or of another version, and detach removes them",
  ignore,
  fn: async () => {
    using host = new TestHost();
    using _mounted = bpffs(host);
    for (
      const [folder, reason] of [[`schema-${AEGIS.SCHEMA}`, /half-made pins/], [
        "schema-999",
        /another version/,
      ]] as const
    ) {
      Deno.mkdirSync(`${host.places.pins}/${folder}`, { recursive: true });
      const pinned = readPinned(host.places.pins);
      equal(pinned.kind, "partial");
      match("reason" in pinned ? pinned.reason : "", reason);
      equal(await host.run("health"), 1);
      match(host.out, reason);
      equal(await host.run("detach --yes"), 0);
      match(host.out, new RegExp(`^removed .*${folder}`));
      deepEqual(readPinned(host.places.pins), { kind: "none" });
    }
  },
});
