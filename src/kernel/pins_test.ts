import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { unlink } from "../../ffi/libc.ts";
import { BpfMap, MapType } from "../../ffi/map.ts";
import { installCanaryOnly, probeCanary } from "./canary.ts";
import { AEGIS } from "./layout.ts";
import { Pins, type PinsFound } from "./pins.ts";
import { loadAndAttach, MAP_NAMES } from "./state.ts";
import { TestKernel, TestPlaces } from "./test_support.ts";

const OBJECT = "0f".repeat(32);

/** A kernel side that is pinned. */
class PinnedKernel extends TestKernel {
  constructor() {
    super();
    this.pins.create(this.state, OBJECT);
  }

  /** Names in the folder of this schema. */
  names(): string[] {
    return [...Deno.readDirSync(this.pins.folder)].map(({ name }) => name).sort();
  }
}

function reasonOf(found: PinsFound): string {
  return found.kind === "half-made" ? found.reason : found.kind;
}

Deno.test("find() finds nothing before create(), and all of it afterwards", () => {
  using kernel = new TestKernel();
  deepStrictEqual(kernel.pins.find(), { kind: "none" });
  kernel.pins.create(kernel.state, OBJECT);
  deepStrictEqual(kernel.pins.find(), {
    kind: "complete",
    folder: kernel.pins.folder,
    meta: { schema: AEGIS.SCHEMA, backend: "tracepoint", object: OBJECT },
  });
});

Deno.test("open() gives a kernel side that goes on after its maker is gone", () => {
  using kernel = new PinnedKernel();
  const { live, coalesceNs } = kernel.state.control;
  kernel.state[Symbol.dispose]();
  using state = kernel.pins.open();
  deepStrictEqual([state.control.live, state.control.coalesceNs], [live, coalesceNs]);
  deepStrictEqual([state.backend, [...state.links.keys()]], ["tracepoint", ["tp_sys_exit"]]);
  deepStrictEqual(probeCanary(state, kernel.canary), { state: "opened", seen: true });
  ok(state.identities.of(kernel.canary));
});

Deno.test("find() says half-made when any one pin is missing", () => {
  using kernel = new PinnedKernel();
  for (const name of kernel.names()) {
    const path = `${kernel.pins.folder}/${name}`;
    const aside = `${kernel.pins.folder}/aside`;
    Deno.renameSync(path, aside);
    strictEqual(reasonOf(kernel.pins.find()), `no ${name}`);
    Deno.renameSync(aside, path);
  }
  strictEqual(kernel.pins.find().kind, "complete");
  strictEqual(kernel.names().length, MAP_NAMES.length + 3);
});

Deno.test("find() says half-made when the folder is empty or meta is something else", () => {
  using kernel = new PinnedKernel();
  const meta = `${kernel.pins.folder}/meta`;
  unlink(meta);
  kernel.state.teller.pin(meta);
  strictEqual(reasonOf(kernel.pins.find()), "no meta");
  unlink(meta);
  using map = BpfMap.create({ type: MapType.Array, name: "m", keySize: 4, valueSize: 8, maxEntries: 1 });
  map.pin(meta);
  strictEqual(reasonOf(kernel.pins.find()), "no meta");
  throws(() => kernel.pins.open(), { code: "ENOENT" });
  using places = new TestPlaces();
  Deno.mkdirSync(places.pins.folder, { recursive: true });
  strictEqual(reasonOf(places.pins.find()), "no meta");
});

Deno.test("find() names the folders of another schema", () => {
  using places = new TestPlaces();
  Deno.mkdirSync(`${places.pins.root}/schema-99`, { recursive: true });
  deepStrictEqual(places.pins.find(), {
    kind: "other-schema",
    folders: [`${places.pins.root}/schema-99`],
  });
});

Deno.test("create() takes away what it made when a pin is in the way", () => {
  using kernel = new TestKernel();
  Deno.mkdirSync(kernel.pins.folder, { recursive: true });
  kernel.state.maps.flows.pin(`${kernel.pins.folder}/meta`);
  throws(() => kernel.pins.create(kernel.state, OBJECT), { code: "EEXIST" });
  deepStrictEqual([...Deno.readDirSync(kernel.pins.folder)].map(({ name }) => name), ["meta"]);
});

Deno.test("remove() takes everything away, also a stale pin and another schema, and may be repeated", () => {
  using kernel = new PinnedKernel();
  kernel.state.maps.flows.pin(`${kernel.pins.folder}/link-stale-new`);
  Deno.mkdirSync(`${kernel.pins.root}/schema-99`);
  kernel.state.maps.flows.pin(`${kernel.pins.root}/schema-99/map-flows`);
  kernel.pins.remove();
  throws(() => Deno.lstatSync(kernel.pins.root), Deno.errors.NotFound);
  kernel.pins.remove();
  deepStrictEqual(kernel.pins.find(), { kind: "none" });
});

Deno.test("setAside() leaves the pins in force under another name, and remove() finds them there", () => {
  using kernel = new PinnedKernel();
  const names = [...Deno.readDirSync(kernel.pins.folder)].length;
  kernel.pins.setAside();
  const aside = `${kernel.pins.folder}-aside`;
  deepStrictEqual(kernel.pins.others(), [{ folder: aside, backend: "tracepoint" }]);
  strictEqual([...Deno.readDirSync(aside)].length, names);
  deepStrictEqual(kernel.pins.find(), { kind: "other-schema", folders: [aside] });
  kernel.pins.create(kernel.state, OBJECT);
  kernel.pins.setAside();
  strictEqual(kernel.pins.others().length, 1);
  kernel.pins.remove();
  deepStrictEqual(kernel.pins.find(), { kind: "none" });
});

Deno.test("remove() also takes away what is no folder", () => {
  using kernel = new PinnedKernel();
  kernel.state.maps.flows.pin(`${kernel.pins.root}/stray`);
  Deno.mkdirSync(`${kernel.pins.folder}/deeper`);
  kernel.pins.remove();
  deepStrictEqual(kernel.pins.find(), { kind: "none" });
});

Deno.test("remove() detaches what nothing else holds", async () => {
  using kernel = new PinnedKernel();
  for (const link of kernel.state.links.values()) link[Symbol.dispose]();
  deepStrictEqual(probeCanary(kernel.state, kernel.canary), { state: "opened", seen: true });
  kernel.pins.remove();
  // The kernel lets a link go some time after its last name is gone.
  for (let tries = 0;; tries++) {
    const result = probeCanary(kernel.state, kernel.canary);
    if (result.state === "opened" && !result.seen) break;
    ok(tries < 500, "still attached after 5 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

Deno.test("replacePrograms() puts new programs over the same maps and removes what they do not need", () => {
  using kernel = new PinnedKernel();
  kernel.state.links.get("tp_sys_exit")?.pin(`${kernel.pins.folder}/link-lsm_inode_unlink`);
  kernel.state.links.get("tp_sys_exit")?.pin(`${kernel.pins.folder}/link-tp_sys_exit-new`);
  const before = linkId(kernel.pins);
  {
    const maps = kernel.pins.openMaps();
    using state = loadAndAttach("tracepoint", { reuse: maps });
    kernel.pins.replacePrograms(state, "aa".repeat(32));
    for (const map of Object.values(maps)) map[Symbol.dispose]();
  }
  const found = kernel.pins.find();
  strictEqual(found.kind === "complete" && found.meta.object, "aa".repeat(32));
  deepStrictEqual(kernel.pins.pinnedPrograms(), ["tp_sys_exit"]);
  ok(linkId(kernel.pins) !== before);
  strictEqual(kernel.names().length, MAP_NAMES.length + 3);
  kernel.state[Symbol.dispose]();
  using state = kernel.pins.open();
  deepStrictEqual(probeCanary(state, kernel.canary), { state: "opened", seen: true });
});

Deno.test("addLinks() and dropLinks() pin and let go single links", () => {
  using kernel = new PinnedKernel();
  kernel.pins.dropLinks(kernel.state, ["tp_sys_exit", "never_there"]);
  deepStrictEqual([kernel.pins.pinnedPrograms(), kernel.state.links.size], [[], 0]);
  deepStrictEqual(probeCanary(kernel.state, kernel.canary), { state: "opened", seen: false });
  using other = loadAndAttach("tracepoint");
  installCanaryOnly(other, kernel.canary);
  kernel.pins.addLinks(other, ["tp_sys_exit"]);
  deepStrictEqual(kernel.pins.pinnedPrograms(), ["tp_sys_exit"]);
});

function linkId(pins: Pins): number | undefined {
  using state = pins.open();
  return state.links.get("tp_sys_exit")?.info().id;
}
