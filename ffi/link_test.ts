import assert from "node:assert/strict";
import { BpfLink } from "./link.ts";
import { BpfMap } from "./map.ts";
import { BpfObject } from "./object.ts";
import { programInfo } from "./program.ts";
import { compile, TemporaryBpffs } from "./test_support.ts";

const records = compile("records");

/** Ends when the kernel has let go of the link, which it does a moment after the last descriptor or pin. */
async function gone(id: number): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      BpfLink.fromId(id)[Symbol.dispose]();
    } catch {
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

Deno.test("BpfProgram.attach() gives a link that outlives the object and ends when it is closed", async () => {
  let link: BpfLink;
  {
    using object = BpfObject.open(records, "records");
    object.load();
    link = object.program("on_system_call").attach();
    assert.equal(link.info().programId, programInfo({ fd: object.program("on_system_call").fd }).id);
  }
  const info = link.info();
  assert.equal(info.type, "raw_tracepoint");
  assert.equal(info.tracepoint, "sys_enter");
  BpfLink.fromId(info.id)[Symbol.dispose]();
  link[Symbol.dispose]();
  assert.ok(await gone(info.id));
});

Deno.test("BpfLink.pin() keeps the program attached when the link is closed", async () => {
  using bpffs = new TemporaryBpffs();
  using object = BpfObject.open(records, "records");
  object.load();
  let id: number;
  {
    using link = object.program("on_system_call").attach();
    link.pin(bpffs.pin("link"));
    assert.equal(link.pinPath, bpffs.pin("link"));
    assert.throws(() => link.pin(bpffs.pin("link")), { code: "EEXIST" });
    id = link.info().id;
  }
  using adopted = BpfLink.fromPin(bpffs.pin("link"));
  assert.equal(adopted.info().id, id);
  adopted.unpin();
  assert.equal(adopted.pinPath, undefined);
  assert.throws(() => adopted.unpin(), { code: "ENOENT" });
  assert.throws(() => BpfLink.fromPin(bpffs.pin("link")), { code: "ENOENT" });
  assert.equal(adopted.info().id, id);
  adopted[Symbol.dispose]();
  assert.ok(await gone(id));
});

Deno.test("BpfLink.detach() takes the program off its hook when the link is pinned", async () => {
  using bpffs = new TemporaryBpffs();
  using object = BpfObject.open(records, "records");
  object.load();
  using link = object.program("on_system_call").attach();
  link.pin(bpffs.pin("link"));
  const { id } = link.info();
  link.detach();
  assert.ok(await gone(id));
  assert.throws(() => BpfLink.fromPin(bpffs.pin("link")), { code: "ENOENT" });
});

Deno.test("BpfLink.fromPin() throws when nothing or something else is pinned there", () => {
  using bpffs = new TemporaryBpffs();
  assert.throws(() => BpfLink.fromPin(bpffs.pin("none")), { code: "ENOENT" });
  using map = BpfMap.create({ type: 2, name: "map", keySize: 4, valueSize: 4, maxEntries: 1 });
  map.pin(bpffs.pin("map"));
  assert.throws(() => BpfLink.fromPin(bpffs.pin("map")), { code: "EINVAL" });
});

Deno.test("BpfProgram.attach() throws when the program is not loaded", () => {
  using object = BpfObject.open(records, "records");
  assert.throws(() => object.program("on_system_call").attach(), {
    name: "SystemError",
    syscall: "bpf_program__attach",
    subject: "on_system_call",
  });
});
