import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { bootTimeNs } from "../../ffi/clock.ts";
import { tryCanary } from "./canary.ts";
import { resumeDecisions, stopDecisions, stoppedForNs } from "./emergency.ts";
import { AEGIS } from "./layout.ts";
import { TestKernel } from "./test_support.ts";

Deno.test("stopDecisions() sets a deadline that resumeDecisions() takes back, and leaves the rest of the word", () => {
  using host = new TestKernel();
  const { control } = host.state;
  const before = control.live;
  strictEqual(stoppedForNs(control), 0n);
  stopDecisions(control, 60_000_000_000n);
  const left = stoppedForNs(control);
  ok(left > 50_000_000_000n && left <= 60_000_000_000n, String(left));
  strictEqual(control.live, (before | AEGIS.LIVE_EMERGENCY) >>> 0);
  strictEqual(tryCanary(host.canary), "opened");
  resumeDecisions(control);
  deepStrictEqual([stoppedForNs(control), control.live, control.emergencyUntilNs], [0n, before, 0n]);
});

Deno.test("stoppedForNs() is nothing once the deadline has passed, though the bit is set", () => {
  strictEqual(stoppedForNs({ live: AEGIS.LIVE_EMERGENCY, emergencyUntilNs: bootTimeNs() - 1n }), 0n);
  strictEqual(stoppedForNs({ live: 0, emergencyUntilNs: bootTimeNs() + 1_000_000_000n }), 0n);
});
