import { deepEqual, equal, match, throws } from "node:assert/strict";
import type { EmergencyView } from "../agent/emergency_api.ts";
import { EmergencyRecord } from "../agent/emergency_record.ts";
import { locations } from "../agent/locations.ts";
import { stoppedForNs } from "../kernel/emergency.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";
import { TestKernel } from "../kernel/test_support.ts";
import { FakeAgent, TestHost } from "./test_support.ts";

// The tests of the kernel side have opened the system's libbpf, and that is what the command goes on with here.
throws(useShippedLibbpf);

const VIEW: EmergencyView = {
  active: true,
  reason: "INC-1",
  since: "2026-01-01T00:00:00.000Z",
  until: "2026-01-01T00:15:00.000Z",
  remaining_s: 600,
  history: [{
    at: "2026-01-01T00:00:00.000Z",
    action: "disable",
    reason: "INC-1",
    until: "2026-01-01T00:15:00.000Z",
    via: "pins",
  }],
};

Deno.test("emergency disable sends the reason and the time, a quarter of an hour by default", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => ({ ...VIEW, was_active: false, warnings: ["w"] }));
  equal(await host.run("emergency disable --reason INC-1"), 0);
  equal(
    host.out,
    "nothing is refused until 2026-01-01T00:15:00.000Z; before that: aegisbpf emergency enable\n",
  );
  equal(host.err, "aegisbpf: warning: w\n");
  const { reason, for_s } = JSON.parse(agent.asked[0]?.body ?? "");
  deepEqual([agent.asked[0]?.path, reason, for_s], ["/v1/emergency/disable", "INC-1", 900]);
  equal(await host.run("emergency disable --json --reason INC-1 --for 2h"), 0);
  deepEqual([JSON.parse(agent.asked[1]?.body ?? "").for_s, JSON.parse(host.out).active], [7200, true]);
});

Deno.test("emergency disable ends with 2 without a reason, and for a time that is none or more than a day", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => ({}));
  for (
    const [line, expected] of [
      ["emergency disable", /required option '--reason <TEXT>'/],
      ["emergency disable --reason=", /it is empty/],
      ["emergency disable --reason x --for 25h", /from 1s to 1d/],
      ["emergency disable --reason x --for 0s", /from 1s to 1d/],
      ["emergency disable --reason x --for soon", /such as 90s/],
    ] as const
  ) {
    equal(await host.run(line), 2, line);
    match(host.err, expected, line);
  }
  equal(agent.asked.length, 0);
});

Deno.test("emergency enable and status say what holds", async () => {
  using host = new TestHost();
  await using _agent = new FakeAgent(
    host,
    ({ method }) => method === "GET" ? VIEW : { ...VIEW, active: false, was_active: true, warnings: [] },
  );
  equal(await host.run("emergency enable"), 0);
  equal(host.out, "decisions are enforced again\n");
  equal(await host.run("emergency status"), 0);
  match(
    host.out,
    /^emergency stop: nothing is refused for 10m, until .*\n {2}since .*: INC-1\n {2}.*no agent: disable until .*: INC-1\n/,
  );
  equal(await host.run("emergency status --json"), 0);
  deepEqual(JSON.parse(host.out), VIEW);
});

Deno.test("emergency works by the pins where no agent answers, and says so", async () => {
  using kernel = new TestKernel();
  kernel.pins.create(kernel.state, "00".repeat(32));
  using host = new TestHost();
  const places = locations({ AEGISBPF_ROOT: host.root, AEGISBPF_BPFFS: kernel.bpffs.path });
  Object.defineProperty(host, "places", { value: places });
  const { control } = kernel.state;
  equal(await host.run("emergency disable --reason INC-1 --for 1h"), 0, host.err);
  match(host.err, /no agent is running .*: done by what is pinned in the kernel/);
  equal(stoppedForNs(control) > 3500_000_000_000n, true);
  equal(await host.run("health"), 1);
  match(host.out, /^off: .*[^]*an emergency stop is on for \d+ s more: INC-1/);
  equal(await host.run("emergency status --json"), 0);
  deepEqual([JSON.parse(host.out).active, JSON.parse(host.out).reason], [true, "INC-1"]);
  equal(await host.run("emergency enable"), 0);
  equal(stoppedForNs(control), 0n);
  const { entries } = new EmergencyRecord(places.state).read();
  deepEqual(entries.map(({ action, via }) => [action, via]), [["disable", "pins"], ["enable", "pins"]]);
});

Deno.test("emergency ends with 1 where there is neither an agent nor a pin", async () => {
  using host = new TestHost();
  equal(await host.run("emergency disable --reason x"), 1);
  match(host.err, /nothing is pinned either/);
});
