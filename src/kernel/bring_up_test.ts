import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { unlink } from "../../ffi/libc.ts";
import type { Backend } from "./backend.ts";
import { bringUp, type BroughtUp, NoBackendError, SchemaError } from "./bring_up.ts";
import { probeCanary } from "./canary.ts";
import { AEGIS } from "./layout.ts";
import { RuleNumbers } from "./rule_numbers.ts";
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

Deno.test("bringUp() mends pins that are half made", async () => {
  using places = new TestPlaces();
  for (const missing of ["meta", "map-flows", "link-tp_sys_exit", "prog-tell_identity"]) {
    (await up(places)).state[Symbol.dispose]();
    unlink(`${places.pins.folder}/${missing}`);
    const { state, origin, notes } = await up(places);
    using _state = state;
    strictEqual(origin, "created", missing);
    ok(notes.some((note) => note.includes(`no ${missing}`)), notes.join());
    strictEqual(places.pins.find().kind, "complete");
  }
});

Deno.test("bringUp() leaves pins of another schema alone", async () => {
  using places = new TestPlaces();
  Deno.mkdirSync(`${places.pins.root}/schema-${AEGIS.SCHEMA + 1}`, { recursive: true });
  await rejects(up(places), (error: unknown) => {
    ok(error instanceof SchemaError);
    ok(error.message.includes(`schema-${AEGIS.SCHEMA + 1}`) && error.message.includes("detach"));
    return true;
  });
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
