import { deepEqual, equal, match } from "node:assert/strict";
import { readCounters } from "../kernel/counters.ts";
import { COUNTER } from "../kernel/layout.ts";
import { ROOM_TO_LEARN } from "../kernel/sets.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import type { ProveBegin } from "./prove_api.ts";
import { ProveLease } from "./prove_lease.ts";
import { policyBytes, refusalOf, TestInstallation } from "./test_support.ts";
import { decisionsOf } from "./views.ts";

/** A policy of one rule in force, and a decoy that it does not name. */
class Host extends TestInstallation {
  readonly engine_: PolicyEngine = this.engine();
  readonly decoy: string = this.file("decoy");

  constructor() {
    super();
    this.apply(1);
  }

  apply(serial: number): void {
    const { engine_: engine } = this;
    engine.apply(engine.check(policyBytes({ serial, paths: [this.file("watched")] }), "p.yaml"));
  }

  lease(leaseMs?: number): ProveLease {
    return new ProveLease({
      engine: this.engine_,
      installed: () => {},
      decisions: (rules) => decisionsOf(this.state, rules, this.engine_.numbers),
      log: () => {},
      ...(leaseMs === undefined ? {} : { leaseMs }),
    });
  }

  begin(rule = "watched"): ProveBegin {
    const excepted = { cgroups: [], exe: [], uids: [] };
    const decoys = [{ path: this.decoy, kind: "file" as const }];
    return { callers: { members: ["/"], excepted }, rules: [{ rule, signals: false, decoys }] };
  }

  isSeen(): boolean {
    const before = readCounters(this.state.maps).AUDITED;
    Deno.readTextFileSync(this.decoy);
    return readCounters(this.state.maps).AUDITED > before;
  }
}

Deno.test("ProveLease covers decoys, counts their decisions and takes their rules back", () => {
  using host = new Host();
  const lease = host.lease();
  equal(host.isSeen(), false);
  deepEqual(lease.begin(host.begin()).rules, ["prove:watched"]);
  equal(host.isSeen(), true);
  deepEqual(lease.look().decisions, { "prove:watched": 1 });
  equal(lease.look().held, true);
  deepEqual(lease.end(), { held: true });
  equal(host.isSeen(), false);
  deepEqual([lease.end(), lease.look().held], [{ held: false }, false]);
});

Deno.test("ProveLease refuses a second prove, and a rule that there is not", () => {
  using host = new Host();
  const lease = host.lease();
  match(refusalOf(() => lease.begin(host.begin("other"))).message, /No rule other/);
  lease.begin(host.begin());
  match(refusalOf(() => lease.begin(host.begin())).message, /Another prove/);
  lease.end();
});

Deno.test("ProveLease notices that another policy came into force", () => {
  using host = new Host();
  const lease = host.lease();
  lease.begin(host.begin());
  host.apply(2);
  equal(lease.look().held, false);
  const { generation } = host.engine_.current ?? {};
  deepEqual([lease.end(), host.engine_.current?.generation], [{ held: false }, generation]);
});

Deno.test("ProveLease goes on when the set is made anew", () => {
  using host = new Host();
  const lease = host.lease();
  const { generation } = lease.begin(host.begin());
  const { counters } = host.state.maps;
  const perCpu = new Uint8Array(counters.userValueSize);
  new DataView(perCpu.buffer).setBigUint64(COUNTER.LEARNT * 8, BigInt(ROOM_TO_LEARN / 2), true);
  counters.update(new Uint8Array(4), perCpu);
  const { looks } = lease.look();
  host.engine_.follow();
  equal(host.engine_.current?.generation, BigInt(generation + 1));
  deepEqual([lease.look().looks, host.isSeen()], [looks + 1, true]);
  deepEqual([lease.end(), host.isSeen()], [{ held: true }, false]);
});

Deno.test("ProveLease takes the rules back when prove is not heard of any more", async () => {
  using host = new Host();
  const lease = host.lease(100);
  lease.begin(host.begin());
  await pause(70);
  lease.look();
  await pause(70);
  equal(host.isSeen(), true, "it was heard of");
  await pause(150);
  equal(host.isSeen(), false);
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
