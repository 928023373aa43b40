import { ok, strictEqual, throws } from "node:assert/strict";
import { unlink } from "../../ffi/libc.ts";
import { BpfMap, MapFlags, MapType } from "../../ffi/map.ts";
import { AEGIS, STATE } from "./layout.ts";
import { mapPin } from "./pins.ts";
import { Predecessor, READABLE, UnreadableError } from "./predecessor.ts";
import { loadAndAttach } from "./state.ts";
import { TestPlaces } from "./test_support.ts";

/** Where the state of schema 2 ended. */
const SCHEMA_2_END = STATE.told_magic;

/** A folder of pins of schema 2, in which the state has a size of its own. */
class OlderPins extends TestPlaces {
  readonly older: string = `${this.pins.root}/schema-2`;

  constructor(stateSize: number) {
    super();
    using state = loadAndAttach("tracepoint");
    state.control.emergencyUntilNs = 77n;
    this.pins.create(state, "ab".repeat(32));
    Deno.renameSync(this.pins.folder, this.older);
    const pin = `${this.older}/${mapPin(".bss.state")}`;
    unlink(pin);
    using copy = BpfMap.create({
      ...{ type: MapType.Array, name: "state", keySize: 4, valueSize: stateSize, maxEntries: 1 },
      flags: MapFlags.Mmapable,
    });
    const value = new Uint8Array(copy.userValueSize);
    value.set(state.maps[".bss.state"].lookup(new Uint8Array(4))?.subarray(0, value.length) ?? []);
    copy.update(new Uint8Array(4), value);
    copy.pin(pin);
  }
}

Deno.test("Predecessor reads a state that ends where schema 2's did", () => {
  using host = new OlderPins(SCHEMA_2_END);
  using predecessor = new Predecessor(host.older);
  strictEqual(predecessor.schema, 2);
  strictEqual(predecessor.control.emergencyUntilNs, 77n);
});

Deno.test("Predecessor refuses a state that ends sooner, or goes on", () => {
  for (const size of [SCHEMA_2_END - 8, STATE.SIZE + 8]) {
    using host = new OlderPins(size);
    throws(() => new Predecessor(host.older), {
      name: UnreadableError.name,
      message: "map .bss.state has another layout",
    });
  }
});

Deno.test("Predecessor knows the schemas up to its own", () => {
  strictEqual(READABLE.at(-1), AEGIS.SCHEMA);
  ok(READABLE.includes(AEGIS.SCHEMA - 1));
});
