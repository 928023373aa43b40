import assert from "node:assert/strict";
import { libbpf, LibbpfError, openLibbpf, useLibbpf } from "./library.ts";
import { openDescriptors } from "./test_support.ts";

Deno.test("openLibbpf() opens the system's library when no source is given", () => {
  using library = openLibbpf();
  assert.match(library.version, /^1\.\d+$/);
});

Deno.test("openLibbpf() opens bytes from memory and leaves no descriptor behind", () => {
  // The file behind the library that is open already, wherever this machine keeps it.
  const path = /\S*\/libbpf\S*$/m.exec(Deno.readTextFileSync("/proc/self/maps"))?.[0];
  assert.ok(path);
  const bytes = Deno.readFileSync(path);
  const before = openDescriptors();
  using library = openLibbpf({ bytes });
  assert.match(library.version, /^1\./);
  assert.match(Deno.readTextFileSync("/proc/self/maps"), /memfd:libbpf/);
  assert.equal(openDescriptors(), before);
});

Deno.test("openLibbpf() says what to install when the library is missing or another one", () => {
  for (const path of ["/does/not/exist.so", "libc.so.6"]) {
    assert.throws(() => openLibbpf({ path }), (error) => {
      assert.ok(error instanceof LibbpfError);
      assert.match(error.message, /libbpf 1\.0 or newer.*apt-get install libbpf1.*dnf install libbpf/);
      return true;
    });
  }
});

Deno.test("openLibbpf() throws when the bytes are not a library", () => {
  assert.throws(() => openLibbpf({ bytes: new Uint8Array(100) }), LibbpfError);
});

Deno.test("Libbpf keeps warnings when a call fails instead of printing them", () => {
  const library = libbpf();
  library.takeWarnings();
  const garbage = new Uint8Array(100);
  assert.equal(library.call.bpf_object__open_mem(garbage, 100n, null), null);
  const warnings = library.takeWarnings();
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /^elf: .* is not a proper ELF object$/);
  assert.deepEqual(library.takeWarnings(), []);
});

Deno.test("Libbpf survives warnings when the call has become hot", () => {
  const library = libbpf();
  const garbage = new Uint8Array(100);
  for (let index = 0; index < 20_000; index++) library.call.bpf_object__open_mem(garbage, 100n, null);
  assert.equal(library.takeWarnings().length, 50);
});

Deno.test("useLibbpf() throws when libbpf is open already", () => {
  libbpf();
  assert.throws(() => useLibbpf({ path: "libbpf.so.1" }), LibbpfError);
});
