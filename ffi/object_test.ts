import assert from "node:assert/strict";
import { SystemError } from "./libc.ts";
import { BpfMap, sumPerCpu } from "./map.ts";
import { BpfLoadError, BpfObject } from "./object.ts";
import { programInfo, testRun } from "./program.ts";
import { compile, openDescriptors, u32, u64 } from "./test_support.ts";

const maps = compile("maps");
const refused = compile("refused");

function systemError(action: () => unknown): SystemError {
  try {
    action();
  } catch (error) {
    if (error instanceof SystemError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: "Expected a SystemError" });
}

function loadError(action: () => unknown): BpfLoadError {
  try {
    action();
  } catch (error) {
    if (error instanceof BpfLoadError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: "Expected a BpfLoadError" });
}

Deno.test("BpfObject.open() lists programs and maps", () => {
  using object = BpfObject.open(refused, "refused");
  assert.deepEqual(object.programs().map(({ name, section, type }) => ({ name, section, type })), [
    { name: "accepted", section: "raw_tp/sys_enter", type: 17 },
    { name: "unchecked", section: "raw_tp/sys_enter", type: 17 },
    { name: "untargeted", section: "fentry", type: 26 },
  ]);
  const numbers = object.map("numbers");
  assert.deepEqual([numbers.type, numbers.keySize, numbers.valueSize, numbers.maxEntries], [1, 4, 8, 1]);
  assert.equal(object.program("unchecked").autoload, true);
  assert.ok(object.program("unchecked").instructionCount > 3);
});

Deno.test("BpfObject.open() throws when the bytes are garbage", () => {
  for (
    const bytes of [new Uint8Array(0), new Uint8Array(1000), new TextEncoder().encode("\x7fELF and no more")]
  ) {
    const error = loadError(() => BpfObject.open(bytes, "garbage"));
    assert.match(error.message, /^BPF object garbage: /);
    assert.equal(error.verifierLog, "");
    assert.equal(error.program, undefined);
  }
});

Deno.test("BpfObject.open() throws when the object is cut off", () => {
  for (let length = 64; length < maps.length; length += 997) {
    assert.throws(() => BpfObject.open(maps.subarray(0, length), "cut"), BpfLoadError);
  }
});

Deno.test("BpfObject throws RangeError that lists what there is when a name is unknown", () => {
  using object = BpfObject.open(maps, "maps");
  assert.throws(() => object.program("nothing"), {
    name: "RangeError",
    message: "Expected a program nothing in the BPF object, which has look",
  });
  assert.throws(() => object.map("nothing"), /generations, counters, \.rodata/);
  assert.throws(() => object.variable("nothing"), /wanted, label/);
});

Deno.test("BpfObject.load() throws with the verifier's log when a program is refused", () => {
  using object = BpfObject.open(refused, "refused");
  object.program("untargeted").setAutoload(false);
  const error = loadError(() => object.load());
  assert.equal(error.program, "unchecked");
  assert.equal(error.code, "EACCES");
  assert.equal(error.errno, 13);
  assert.match(error.summary, /invalid mem access 'map_value_or_null'/);
  assert.match(error.verifierLog, /processed \d+ insns/);
  assert.match(error.libbpfLog, /failed to load/);
  assert.match(
    error.message,
    /^Program unchecked of BPF object refused: R\d invalid mem access .* \(EACCES\)$/,
  );
});

Deno.test("BpfObject.load() leaves out programs when they are not set to be loaded", () => {
  using object = BpfObject.open(refused, "refused");
  object.program("unchecked").setAutoload(false);
  object.program("untargeted").setAutoload(false);
  object.load();
  assert.ok(object.program("accepted").fd > 2);
  assert.throws(() => object.program("unchecked").fd, {
    name: "TypeError",
    message: "Expected unchecked to be loaded",
  });
  assert.throws(() => object.program("accepted").setAutoload(false), { code: "EINVAL" });
});

Deno.test("BpfProgram.setAttachTarget() throws when the kernel has no such function", () => {
  using object = BpfObject.open(refused, "refused");
  const program = object.program("untargeted");
  assert.throws(() => program.setAttachTarget("security_no_such_hook"), {
    name: "SystemError",
    subject: "untargeted",
    syscall: "bpf_program__set_attach_target(security_no_such_hook)",
  });
  program.setAttachTarget("security_file_open");
});

Deno.test("BpfProgram.setType() changes the kind of program", () => {
  using object = BpfObject.open(refused, "refused");
  const program = object.program("untargeted");
  program.setType(29, 27);
  assert.equal(program.type, 29);
  assert.equal(program.attachType, 27);
});

Deno.test("BpfObject runs a program that finds its entry through a map of maps", () => {
  using object = BpfObject.open(maps, "maps");
  object.variable("wanted").setInitialValue(u32(77));
  object.variable("label").setInitialValue(new TextEncoder().encode("x after\0"));
  object.variable("initialized").setInitialValue(u64(1000));
  assert.deepEqual(object.variable("wanted").initialValue(), u32(77));
  assert.throws(() => object.variable("wanted").setInitialValue(u64(1)), RangeError);
  object.load();
  const { fd } = object.program("look");
  assert.equal(testRun(fd).result, 0);

  using generations = object.map("generations").open();
  using set = BpfMap.create({ type: 1, name: "set", keySize: 4, valueSize: 8, maxEntries: 1000, flags: 1 });
  generations.updateMap(u32(1), set);
  using bss = object.map(".bss").open();
  using memory = bss.mmap();
  const live = new Uint32Array(memory.buffer, object.variable("live").offset, 1);
  Atomics.store(live, 0, 1);
  assert.equal(testRun(fd).result, 1);
  set.update(u32(77), u64(234));
  assert.equal(testRun(fd).result, "x".charCodeAt(0));
  assert.equal(new DataView(memory.buffer).getBigUint64(object.variable("found").offset, true), 1234n);

  using counters = object.map("counters").open();
  const counted = counters.lookup(u32(2));
  assert.ok(counted);
  assert.equal(sumPerCpu(counted, counters.valueSize), 1n);
});

Deno.test("ObjectMap.setInitialValue() and setMaxEntries() throw when the object is loaded", () => {
  using object = BpfObject.open(maps, "maps");
  object.map("counters").setMaxEntries(9);
  assert.throws(() => object.map(".rodata").setInitialValue(new Uint8Array(1)), { code: "EINVAL" });
  assert.throws(() => object.map("counters").initialValue(), TypeError);
  object.load();
  using counters = object.map("counters").open();
  assert.equal(counters.maxEntries, 9);
  assert.throws(() => object.map("counters").setMaxEntries(10), { code: "EBUSY" });
  // libbpf 1.1 says EINVAL, newer ones EBUSY.
  const { code } = systemError(() => object.map(".data").setInitialValue(u64(1)));
  assert.match(code, /^(EINVAL|EBUSY)$/);
});

Deno.test("ObjectMap.reuseFd() shares a map between two objects", () => {
  using first = BpfObject.open(maps, "first");
  using second = BpfObject.open(maps, "second");
  first.load();
  for (const name of ["counters", ".bss"]) second.map(name).reuseFd(first.map(name).fd);
  second.load();
  for (const name of ["counters", ".bss"]) {
    using one = first.map(name).open();
    using other = second.map(name).open();
    assert.equal(one.id, other.id);
  }
  using mine = first.map("generations").open();
  using theirs = second.map("generations").open();
  assert.notEqual(mine.id, theirs.id);
});

Deno.test("ObjectMap.reuseFd() makes the load throw when the map is another kind", () => {
  using object = BpfObject.open(maps, "maps");
  using wrong = BpfMap.create({ type: 1, name: "wrong", keySize: 4, valueSize: 8, maxEntries: 1 });
  object.map("generations").reuseFd(wrong.fd);
  assert.throws(() => object.load(), BpfLoadError);
});

Deno.test("programInfo() describes a program by descriptor and by id", () => {
  using object = BpfObject.open(maps, "maps");
  object.load();
  const info = programInfo({ fd: object.program("look").fd });
  assert.equal(info.name, "look");
  assert.equal(info.type, 17);
  assert.match(info.tag, /^[0-9a-f]{16}$/);
  // Kernels before 5.16 do not say.
  assert.ok(info.verifiedInstructions === 0 || info.verifiedInstructions > 10);
  assert.deepEqual(programInfo({ id: info.id }), info);
  using counters = object.map("counters").open();
  assert.ok(info.mapIds.includes(counters.id));
  assert.throws(() => programInfo({ id: 0x7fff_ffff }), { code: "ENOENT" });
});

Deno.test("BpfObject frees all descriptors and its parts throw when it is disposed of", () => {
  const before = openDescriptors();
  const object = BpfObject.open(maps, "maps");
  object.load();
  const program = object.program("look");
  const map = object.map("counters");
  object[Symbol.dispose]();
  object[Symbol.dispose]();
  assert.equal(openDescriptors(), before);
  assert.throws(() => program.fd, TypeError);
  assert.throws(() => map.fd, TypeError);
  assert.throws(() => object.load(), TypeError);
});
