import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { MappedMemory } from "../../ffi/memory.ts";
import { Control, filterSlot, type SetInfo } from "./control.ts";
import { AEGIS, CONTROL, SET, STATE } from "./layout.ts";
import { TestKernel } from "./test_support.ts";

const INFO: SetInfo = {
  generation: 2n ** 64n - 1n,
  serial: 2n ** 53n - 1n,
  sha256: Array.from({ length: 32 }, (_, index) => (index * 8).toString(16).padStart(2, "0")).join(""),
  name: "web-tier",
  rules: 0xffff_ffff,
  entries: 7,
  cgroupDepth: 32,
  enforce: true,
  appliedNs: 1_700_000_000_123_456_789n,
};

/** A control over memory that no kernel sees. */
function plainControl(): { control: Control; bytes: Uint8Array } {
  const buffer = new ArrayBuffer(STATE.SIZE);
  return { control: new Control({ buffer } as MappedMemory), bytes: new Uint8Array(buffer) };
}

Deno.test("Control gives back what is stored in each word, also in its highest bit", () => {
  const { control } = plainControl();
  control.live = 0x8000_0041;
  control.previous = 0xffff_ffff;
  control.agentPid = 0xffff_fffe;
  control.backend = 4;
  const deadline = 2n ** 64n - 5n;
  control.confirmUntilNs = deadline;
  control.emergencyUntilNs = deadline - 1n;
  control.coalesceNs = deadline - 2n;
  control.heartbeatNs = deadline - 3n;
  deepStrictEqual([control.live, control.previous, control.agentPid, control.backend], [
    0x8000_0041,
    0xffff_ffff,
    0xffff_fffe,
    4,
  ]);
  deepStrictEqual(
    [control.confirmUntilNs, control.emergencyUntilNs, control.coalesceNs, control.heartbeatNs],
    [deadline, deadline - 1n, deadline - 2n, deadline - 3n],
  );
});

Deno.test("changeLive() sets and clears only the bits that it is given", () => {
  const { control } = plainControl();
  control.live = 0x8000_0001;
  control.changeLive({ set: AEGIS.LIVE_EMERGENCY });
  strictEqual(control.live, 0x8000_0009);
  control.changeLive({ set: AEGIS.LIVE_UIDS, clear: AEGIS.LIVE_EMERGENCY });
  strictEqual(control.live, 0x8000_0041);
  control.changeLive({});
  strictEqual(control.live, 0x8000_0041);
});

Deno.test("liveIndex() is the lowest bit, whatever else is set", () => {
  const { control } = plainControl();
  control.live = 0xffff_fffe;
  deepStrictEqual([control.liveIndex(), control.liveIndex(3)], [0, 1]);
});

Deno.test("settleMoved() leaves a move that came later", () => {
  const { control, bytes } = plainControl();
  const moved = new DataView(bytes.buffer);
  moved.setUint32(STATE.control + CONTROL.moved, 0x9000_0001, true);
  const seen = control.moved;
  strictEqual(seen, 0x9000_0001);
  moved.setUint32(STATE.control + CONTROL.moved, 0x9000_0003, true);
  control.settleMoved(seen);
  strictEqual(control.moved, 0x9000_0003);
  control.settleMoved(control.moved);
  strictEqual(control.moved, 0);
});

Deno.test("setInfo() gives back what writeSetInfo() wrote, in each slot on its own", () => {
  const { control } = plainControl();
  const other = { ...INFO, generation: 1n, name: "", enforce: false };
  control.writeSetInfo(0, INFO);
  control.writeSetInfo(1, other);
  deepStrictEqual([control.setInfo(0), control.setInfo(1)], [INFO, other]);
});

Deno.test("writeSetInfo() cuts a name at 63 bytes and never within a character", () => {
  const { control } = plainControl();
  control.writeSetInfo(0, { ...INFO, name: "n".repeat(70) });
  deepStrictEqual(control.setInfo(0), { ...INFO, name: "n".repeat(63) });
  control.writeSetInfo(0, { ...INFO, name: `${"n".repeat(62)}ä` });
  strictEqual(control.setInfo(0).name, "n".repeat(62));
  control.writeSetInfo(0, { ...INFO, name: "short" });
  strictEqual(control.setInfo(0).name, "short", "nothing of a longer name before it is left");
});

Deno.test("writeSetInfo() stays within its slot", () => {
  const { control, bytes } = plainControl();
  bytes.fill(0xee);
  control.writeSetInfo(0, { ...INFO, name: "n".repeat(70) });
  const at = STATE.control + CONTROL.sets;
  strictEqual(bytes[at - 1], 0xee);
  strictEqual(bytes[at + SET.SIZE], 0xee);
});

Deno.test("admitFile(), admitDirectory() and admitPlace() mark one byte of their own set's filter", () => {
  const { control, bytes } = plainControl();
  const sizes = [AEGIS.FILE_FILTER_BITS, AEGIS.DIR_FILTER_BITS, AEGIS.PLACE_FILTER_BITS];
  const starts = [STATE.file_filter, STATE.dir_filter, STATE.place_filter];
  const admit = [control.admitFile, control.admitDirectory, control.admitPlace];
  for (const ino of [1n, 2n ** 64n - 1n]) {
    for (const set of [0, 1] as const) {
      for (const [filter, bits] of sizes.entries()) {
        bytes.fill(0);
        admit[filter]?.call(control, set, ino);
        strictEqual(bytes.indexOf(1), bytes.lastIndexOf(1));
        strictEqual(bytes.indexOf(1), (starts[filter] ?? 0) + set * (1 << bits) + filterSlot(ino, bits));
      }
    }
  }
});

Deno.test("clearFilters() empties one set's three filters and nothing else", () => {
  const { control, bytes } = plainControl();
  bytes.fill(1);
  control.clearFilters(1);
  const sizes = [AEGIS.FILE_FILTER_BITS, AEGIS.DIR_FILTER_BITS, AEGIS.PLACE_FILTER_BITS];
  const cleared = sizes.reduce((sum, bits) => sum + (1 << bits), 0);
  strictEqual(bytes.reduce((sum, byte) => sum + byte, 0), STATE.SIZE - cleared);
  for (const [filter, start] of [STATE.file_filter, STATE.dir_filter, STATE.place_filter].entries()) {
    const size = 1 << (sizes[filter] ?? 0);
    deepStrictEqual([bytes[start + size - 1], bytes[start + size], bytes[start + 2 * size - 1]], [1, 0, 0]);
  }
});

Deno.test("Control shares its memory with the kernel side", () => {
  using kernel = new TestKernel();
  const { control, maps } = kernel.state;
  control.heartbeatNs = 0x1122_3344_5566_7788n;
  const value = maps[".bss.state"].lookup(new Uint8Array(4));
  strictEqual(
    value && new DataView(value.buffer).getBigUint64(STATE.control + CONTROL.heartbeat_ns, true),
    0x1122_3344_5566_7788n,
  );
});
