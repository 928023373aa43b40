import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { bootTimeNs } from "../../ffi/clock.ts";
import { unlink } from "../../ffi/libc.ts";
import type { DecisionEvent } from "../events/event.ts";
import { Reporter } from "../events/reporter.ts";
import { bringUp, type BroughtUp } from "../kernel/bring_up.ts";
import { setWithCanary } from "../kernel/canary.ts";
import { readCounters, readRuleCounts, readTotals } from "../kernel/counters.ts";
import { stopDecisions, stoppedForNs } from "../kernel/emergency.ts";
import { fileEntry } from "../kernel/entries.ts";
import { RuleNumbers } from "../kernel/rule_numbers.ts";
import { fillIdleSet, switchTo } from "../kernel/sets.ts";
import type { KernelState } from "../kernel/state.ts";
import { AUDIT_READS, LABEL, TestPlaces } from "../kernel/test_support.ts";
import { type Heir, Succession } from "./succession.ts";

const RULE = "watched";

/** A host on which an agent with schema 1 ran, and one of this schema begins. */
class Upgrade extends TestPlaces {
  readonly secret = this.file("secret");
  readonly events: DecisionEvent[] = [];
  readonly log: string[] = [];

  up(): Promise<BroughtUp> {
    return bringUp({ pins: this.pins, canary: this.canary, candidates: ["tracepoint"] });
  }

  /** Puts a set into force in which the file is watched; `switched` is called as an agent does. */
  watch(state: KernelState, switched: () => void = () => {}): void {
    const of = (path: string) => {
      const known = state.identities.of(path);
      ok(known);
      return known.identity;
    };
    const builder = setWithCanary(of(this.canary));
    const [number = 0] = new RuleNumbers(state.maps.rule_names).of([RULE]);
    builder.add(fileEntry(of(this.secret), builder.addRule({ ...AUDIT_READS, number })));
    const set = builder.build();
    const index = fillIdleSet(state, set, LABEL);
    switchTo(state, index, set);
    switched();
  }

  read(times: number): void {
    for (let i = 0; i < times; i++) Deno.readTextFileSync(this.secret);
  }

  /** The agent with schema 1, which ends after so many reads. */
  async before(reads: number, then: (state: KernelState) => void = () => {}): Promise<void> {
    const { state } = await this.up();
    using _state = state;
    // Its rule has another number than the same rule would be given anew.
    new RuleNumbers(state.maps.rule_names).of(["another"]);
    this.watch(state);
    this.read(reads);
    then(state);
    const { folder, root } = this.pins;
    Deno.renameSync(folder, `${root}/schema-1`);
    for (const map of ["flows_odd", "past"]) unlink(`${root}/schema-1/map-${map}`);
  }

  get heir(): Heir {
    return {
      reporterOf: (maps, other) =>
        new Reporter({
          maps,
          ruleName: (rule) => new RuleNumbers(maps.rule_names).nameOf(rule),
          opName: String,
          policyOf: () => ({ name: "new", serial: 9, sha256: "" }),
          pathOf: () => undefined,
          cgroupPathOf: () => undefined,
          backend: 4,
          bootOffsetNs: () => 0n,
          emit: (event) => this.events.push(event),
          ...other,
        }),
    };
  }

  succession(up: BroughtUp): Succession {
    return new Succession(up.beside ?? [], up.state, (line) => this.log.push(line));
  }
}

Deno.test("Succession carries every count over from the schema before, and reports what was not reported", async () => {
  using host = new Upgrade();
  await host.before(3);
  host.read(2);
  const up = await host.up();
  using state = up.state;
  using succession = host.succession(up);
  host.read(1);
  host.watch(state, () => succession.halt());
  host.read(4);
  await succession.finish(host.heir);
  const { AUDITED, EMITTED, DELIVERED, COALESCED, DROPPED_RING_FULL } = readCounters(state.maps);
  deepStrictEqual([AUDITED, EMITTED, DELIVERED + COALESCED + DROPPED_RING_FULL], [10n, 10n, 10n]);
  const numbers = new RuleNumbers(state.maps.rule_names);
  deepStrictEqual(readRuleCounts(state.maps).map(({ rule, count }) => [numbers.nameOf(rule), count]), [
    [RULE, 10n],
  ]);
  const secret = state.identities.of(host.secret)?.identity;
  deepStrictEqual([...readTotals(state.maps)].map(({ file }) => file), [secret, secret]);
  strictEqual(host.events.reduce((sum, { count }) => sum + count, 0), 6);
  deepStrictEqual([...new Set(host.events.map(({ rule, policy }) => `${rule} ${policy.name}`))], [
    `${RULE} test`,
  ]);
  deepStrictEqual(host.log, [
    `took over from the programs pinned in ${host.pins.root}/schema-1, with their counts`,
  ]);
});

Deno.test("Succession counts nothing twice when it is gone on with after a death", async () => {
  using host = new Upgrade();
  await host.before(5);
  const up = await host.up();
  using state = up.state;
  for (let attempt = 0; attempt < 2; attempt++) {
    using succession = host.succession(up);
    if (attempt === 0) host.watch(state, () => succession.halt());
    await succession.finish(host.heir);
  }
  strictEqual(readCounters(state.maps).AUDITED, 5n);
  deepStrictEqual([...readTotals(state.maps)].map(({ total }) => total), [5n]);
  strictEqual(host.events.reduce((sum, { count }) => sum + count, 0), 5);
});

Deno.test("Succession keeps an emergency stop, with its deadline", async () => {
  using host = new Upgrade();
  let until = 0n;
  await host.before(0, ({ control }) => {
    stopDecisions(control, 3600n * 1_000_000_000n);
    until = control.emergencyUntilNs;
  });
  const up = await host.up();
  using state = up.state;
  using succession = host.succession(up);
  strictEqual(state.control.emergencyUntilNs, until);
  ok(stoppedForNs(state.control) > 3_500_000_000_000n);
  host.watch(state, () => succession.halt());
  ok(stoppedForNs(state.control) > 3_500_000_000_000n);
});

Deno.test("Succession lets the programs before decide again where this agent does not", async () => {
  using host = new Upgrade();
  await host.before(1);
  const up = await host.up();
  using state = up.state;
  using succession = host.succession(up);
  succession.halt();
  host.read(1);
  succession.goOn();
  host.read(1);
  await succession.finish(host.heir);
  strictEqual(readCounters(state.maps).AUDITED, 2n);
});

Deno.test("Succession ends a policy that nobody has confirmed, and the one before it decides", async () => {
  using host = new Upgrade();
  await host.before(1, (state) => {
    // The canary alone is tried: the file is not watched until the deadline.
    const canary = state.identities.of(host.canary);
    ok(canary);
    const set = setWithCanary(canary.identity).build();
    const index = fillIdleSet(state, set, LABEL);
    switchTo(state, index, set, bootTimeNs() + 3600n * 1_000_000_000n);
  });
  host.read(1);
  const up = await host.up();
  using _state = up.state;
  using succession = host.succession(up);
  host.read(1);
  await succession.finish(host.heir);
  strictEqual(readCounters(up.state.maps).AUDITED, 2n);
});

Deno.test("Succession says in a line why counts are gone, and takes over all the same", async () => {
  const damages: Readonly<Record<string, (root: string) => void>> = {
    "this version does not know their layout": (root) =>
      Deno.renameSync(`${root}/schema-1`, `${root}/schema-0`),
    "map flows has another layout": (root) =>
      Deno.renameSync(`${root}/schema-1/map-reported`, `${root}/schema-1/map-flows`),
    "map-rule_counts": (root) => unlink(`${root}/schema-1/map-rule_counts`),
    "its rules have other numbers here": () => {},
  };
  for (const [reason, damage] of Object.entries(damages)) {
    using host = new Upgrade();
    await host.before(1);
    damage(host.pins.root);
    const up = await host.up();
    using state = up.state;
    if (reason.includes("numbers")) new RuleNumbers(state.maps.rule_names).of(["new"]);
    using succession = host.succession(up);
    host.watch(state, () => succession.halt());
    await succession.finish(host.heir);
    strictEqual(host.log.length, 1);
    ok(host.log[0]?.includes(`; their counts are gone: `) && host.log[0].includes(reason), host.log[0]);
    strictEqual(readCounters(state.maps).AUDITED, 0n);
  }
});
