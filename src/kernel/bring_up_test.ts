import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { SystemError, unlink } from "../../ffi/libc.ts";
import { BpfLink } from "../../ffi/link.ts";
import { BpfMap } from "../../ffi/map.ts";
import { type Backend, backendNumber } from "./backend.ts";
import { bringUp, type BroughtUp, NoBackendError, SchemaError } from "./bring_up.ts";
import { installCanaryOnly, probeCanary } from "./canary.ts";
import { AEGIS } from "./layout.ts";
import { Pins } from "./pins.ts";
import { RuleNumbers } from "./rule_numbers.ts";
import { loadAndAttach } from "./state.ts";
import { TestPlaces } from "./test_support.ts";

const TRACEPOINT: readonly Backend[] = ["tracepoint"];

function up(places: TestPlaces, candidates = TRACEPOINT): Promise<BroughtUp> {
  return bringUp({ pins: places.pins, canary: places.canary, candidates });
}

/** Whether this kernel takes programs that can refuse; the containers that tests often run in do not. */
async function canRefuse(): Promise<boolean> {
  using places = new TestPlaces();
  try {
    const { state } = await up(places, ["lsm"]);
    state[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof NoBackendError) return false;
    throw error;
  }
}

/** The kernel lets go of links a little later. */
async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error("Waited too long");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const CAN_REFUSE = await canRefuse();

Deno.test("bringUp() creates and pins where there is nothing", async () => {
  using places = new TestPlaces();
  const { state, origin, rejected, notes } = await up(places);
  using _state = state;
  deepStrictEqual([origin, rejected, notes, state.backend], ["created", [], [], "tracepoint"]);
  strictEqual(places.pins.find().kind, "complete");
});

Deno.test("bringUp() goes on with what is pinned, whoever had it attached", async () => {
  using places = new TestPlaces();
  const first = await up(places);
  new RuleNumbers(first.state.maps.rule_names).of(["kept"]);
  const link = first.state.links.get("tp_sys_exit")?.info().id;
  first.state[Symbol.dispose]();
  const second = await up(places);
  using state = second.state;
  deepStrictEqual([second.origin, second.notes], ["adopted", []]);
  strictEqual(state.links.get("tp_sys_exit")?.info().id, link);
  strictEqual(new RuleNumbers(state.maps.rule_names).nameOf(1), "kept");
});

Deno.test("bringUp() adopts when the canary file was made anew, as after /run was emptied", async () => {
  using places = new TestPlaces();
  (await up(places)).state[Symbol.dispose]();
  Deno.renameSync(places.file("new"), places.canary);
  const { state, origin } = await up(places);
  using _state = state;
  strictEqual(origin, "adopted");
  deepStrictEqual(probeCanary(state, places.canary), { state: "opened", seen: true });
});

Deno.test("bringUp() replaces the programs and keeps the maps when the object is another one", async () => {
  using places = new TestPlaces();
  const first = await up(places);
  new RuleNumbers(first.state.maps.rule_names).of(["kept"]);
  places.pins.replacePrograms(first.state, "00".repeat(32));
  const link = first.state.links.get("tp_sys_exit")?.info().id;
  first.state[Symbol.dispose]();
  const { state, origin } = await up(places);
  using _state = state;
  strictEqual(origin, "replaced");
  ok(state.links.get("tp_sys_exit")?.info().id !== link);
  strictEqual(new RuleNumbers(state.maps.rule_names).nameOf(1), "kept");
  deepStrictEqual(probeCanary(state, places.canary), { state: "opened", seen: true });
  const found = places.pins.find();
  ok(found.kind === "complete" && found.meta.object !== "00".repeat(32));
});

Deno.test("bringUp() makes half-made and damaged pins anew, and leaves the old in force until then", async () => {
  const damages: Readonly<Record<string, (folder: string) => void>> = {
    "no meta": (folder) => unlink(`${folder}/meta`),
    "no map-flows": (folder) => unlink(`${folder}/map-flows`),
    "no link-tp_sys_exit": (folder) => Deno.renameSync(`${folder}/link-tp_sys_exit`, `${folder}/elsewhere`),
    "no prog-tell_identity": (folder) => unlink(`${folder}/prog-tell_identity`),
    "damaged: BPF link": (folder) => {
      Deno.renameSync(`${folder}/link-tp_sys_exit`, `${folder}/elsewhere`);
      Deno.renameSync(`${folder}/map-past`, `${folder}/link-tp_sys_exit`);
      Deno.renameSync(`${folder}/map-reported`, `${folder}/map-past`);
      Deno.renameSync(`${folder}/map-rule_names`, `${folder}/map-reported`);
      using map = BpfMap.fromPin(`${folder}/map-reported`);
      map.pin(`${folder}/map-rule_names`);
    },
  };
  for (const [reason, damage] of Object.entries(damages)) {
    using places = new TestPlaces();
    const first = await up(places);
    const link = first.state.links.get("tp_sys_exit")?.info().id ?? 0;
    first.state[Symbol.dispose]();
    damage(places.pins.folder);
    const { state, origin, notes, beside } = await up(places);
    using _state = state;
    deepStrictEqual([origin, beside], ["created", [`${places.pins.folder}-aside`]], reason);
    ok(notes.some((note) => note.includes(reason)), notes.join());
    ok(exists(link), reason);
    places.pins.removeOthers();
    await until(() => !exists(link));
    strictEqual(places.pins.find().kind, "complete");
  }
});

/** Pins as a version of the agent with another schema left them; their link goes on without an agent. */
function otherVersion(places: TestPlaces, schema = AEGIS.SCHEMA - 1): { pins: Pins; link: number } {
  using state = loadAndAttach("tracepoint");
  installCanaryOnly(state, places.canary);
  const pins = new Pins(places.pins.root, schema);
  pins.create(state, "11".repeat(32));
  return { pins, link: state.links.get("tp_sys_exit")?.info().id ?? 0 };
}

/** Whether a link is still attached. */
function exists(link: number): boolean {
  try {
    BpfLink.fromId(link)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof SystemError) return false;
    throw error;
  }
}

Deno.test("bringUp() attaches beside the pins of another schema, which stay until they are taken out", async () => {
  for (const schema of [AEGIS.SCHEMA - 1, AEGIS.SCHEMA + 1]) {
    using places = new TestPlaces();
    const old = otherVersion(places, schema);
    const { state, origin, beside } = await up(places);
    using _state = state;
    deepStrictEqual([origin, beside], ["created", [old.pins.folder]]);
    ok(exists(old.link) && state.links.get("tp_sys_exit")?.info().id !== old.link);
    deepStrictEqual(probeCanary(state, places.canary), { state: "opened", seen: true });
    places.pins.removeOthers();
    await until(() => !exists(old.link));
    strictEqual(places.pins.find().kind, "complete");
    deepStrictEqual(places.pins.others(), []);
  }
});

Deno.test("bringUp() goes on where an agent died between the pins of two schemas", async () => {
  using places = new TestPlaces();
  const old = otherVersion(places);
  const first = await up(places);
  first.state[Symbol.dispose]();
  // With both, what works is attached anew, over the maps that are there.
  const second = await up(places);
  second.state[Symbol.dispose]();
  deepStrictEqual([second.origin, second.beside], ["replaced", [old.pins.folder]]);
  // With half of its own, that is set aside.
  unlink(`${places.pins.folder}/meta`);
  const third = await up(places);
  using _state = third.state;
  deepStrictEqual([third.origin, third.beside?.toSorted()], ["created", [
    old.pins.folder,
    `${places.pins.folder}-aside`,
  ]]);
  ok(exists(old.link));
});

Deno.test("bringUp() does not give up what refuses for what only reports, and says how to", async () => {
  using places = new TestPlaces();
  const { pins, link } = otherVersion(places);
  using meta = BpfMap.fromPin(`${pins.folder}/meta`);
  const value = meta.lookup(new Uint8Array(4)) ?? new Uint8Array(40);
  value[4] = backendNumber("lsm");
  meta.update(new Uint8Array(4), value);
  await rejects(up(places), (error: unknown) => {
    ok(error instanceof SchemaError);
    match(
      error.message,
      /refuse by lsm .*schema-\d+.*could only report by tracepoint.*aegisbpf detach --yes/,
    );
    return true;
  });
  ok(exists(link));
  strictEqual(places.pins.find().kind, "other-schema");
});

Deno.test({
  name:
    "bringUp() leaves nothing attached or pinned when no candidate works (needs a kernel that refuses lsm)",
  ignore: CAN_REFUSE,
  async fn() {
    using places = new TestPlaces();
    await rejects(up(places, ["lsm"]), (error: unknown) => {
      ok(error instanceof NoBackendError);
      deepStrictEqual(error.rejected.map(({ backend }) => backend), ["lsm"]);
      ok(error.message.startsWith("No backend works here: lsm: "), error.message);
      return true;
    });
    deepStrictEqual(places.pins.find(), { kind: "none" });
  },
});

Deno.test({
  name: "bringUp() keeps what is in force when no candidate can replace it (needs a kernel that refuses lsm)",
  ignore: CAN_REFUSE,
  async fn() {
    using places = new TestPlaces();
    (await up(places)).state[Symbol.dispose]();
    await rejects(up(places, ["lsm"]), NoBackendError);
    using state = places.pins.open();
    deepStrictEqual(probeCanary(state, places.canary), { state: "opened", seen: true });
  },
});

Deno.test({
  name: "bringUp() takes the next backend and says why not the better one (needs a kernel that refuses lsm)",
  ignore: CAN_REFUSE,
  async fn() {
    using places = new TestPlaces();
    const { state, rejected } = await up(places, ["lsm", "tracepoint"]);
    using _state = state;
    strictEqual(state.backend, "tracepoint");
    deepStrictEqual(rejected.map(({ backend, reason }) => [backend, reason.includes("\n")]), [[
      "lsm",
      false,
    ]]);
  },
});
