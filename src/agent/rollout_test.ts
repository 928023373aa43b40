import { createHash } from "node:crypto";
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { bootTimeNs } from "../../ffi/clock.ts";
import { Anchor } from "../kernel/anchor.ts";
import { readRuleCounts } from "../kernel/counters.ts";
import { AEGIS } from "../kernel/layout.ts";
import { reasonText } from "./degradation.ts";
import { historyFiles, readHistory } from "./history.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import { PolicyStore } from "./policy_store.ts";
import { Refusal } from "./refusal.ts";
import { Rollout } from "./rollout.ts";
import { planStart } from "./start_plan.ts";
import { policyBytes, refusalOf, TestInstallation } from "./test_support.ts";

/** An agent's worth of rollout over an installation; another one over the same stands for a restart. */
class Restartable implements Disposable {
  readonly engine: PolicyEngine;
  readonly rollout: Rollout;
  readonly log: string[] = [];
  readonly #anchor: Anchor;

  constructor(readonly host: TestInstallation, asked?: string) {
    this.engine = host.engine();
    this.#anchor = Anchor.open(host.pins.folder);
    const plan = planStart(asked, { locations: host.places, store: host.store, pins: host.pins });
    this.rollout = new Rollout({
      engine: this.engine,
      store: host.store,
      state: host.places.state,
      anchor: this.#anchor,
      log: (line) => this.log.push(line),
      reverted: () => {},
    });
    this.rollout.start(plan);
  }

  apply(
    serial: number,
    { confirmWithinS, paths = ["/nowhere"] }: { confirmWithinS?: number; paths?: string[] } = {},
  ) {
    const source = { bytes: policyBytes({ serial, paths }), file: `/p${serial}.yaml` };
    return this.rollout.apply(source, { confirmWithinS });
  }

  get serial(): number | undefined {
    return this.engine.current?.policy.serial;
  }

  /** The serial that the kernel decides by now. */
  get inKernel(): number {
    const { control } = this.host.state;
    return Number(control.setInfo(control.liveIndex(control.wordAt(bootTimeNs()))).serial);
  }

  get history(): string[] {
    return readHistory(historyFiles(this.host.places.state)).entries.map(({ what, result, serial }) =>
      `${what} ${serial ?? "-"} ${result}`
    );
  }

  /** Lets the deadline pass. */
  expire(): void {
    this.host.state.control.confirmUntilNs = bootTimeNs() - 1n;
  }

  [Symbol.dispose](): void {
    this.#anchor[Symbol.dispose]();
  }
}

Deno.test("apply() refuses a lower serial, and other content under the same serial, and records it", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  agent.apply(5);
  strictEqual(refusalOf(() => agent.apply(4)).exit, 5);
  strictEqual(refusalOf(() => agent.apply(5, { paths: ["/other"] })).exit, 5);
  strictEqual(agent.apply(5).applied, false);
  deepStrictEqual([agent.serial, agent.inKernel], [5, 5]);
  deepStrictEqual(agent.history, ["apply 5 done", "apply 4 refused", "apply 5 refused"]);
});

Deno.test("apply() refuses a lower serial on a dry run too, and records nothing of it", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  agent.apply(5);
  const source = { bytes: policyBytes({ serial: 4, paths: ["/x"] }), file: "/p.yaml" };
  strictEqual(refusalOf(() => agent.rollout.apply(source, { dryRun: true })).exit, 5);
  deepStrictEqual(agent.history, ["apply 5 done"]);
});

Deno.test("apply() does not accept a serial of a policy that is refused", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  const bytes = new TextEncoder().encode("version: 1\nname: x\nserial: 9\nrules: [{}]\n");
  strictEqual(refusalOf(() => agent.rollout.apply({ bytes, file: "/p.yaml" }, {})).exit, 4);
  const { sha256, file } = agent.rollout.history.entries.at(-1) ?? {};
  const digest = createHash("sha256").update(bytes).digest("hex");
  deepStrictEqual([sha256, file], [digest, "/p.yaml"], "what was refused");
  agent.apply(2);
  deepStrictEqual([agent.rollout.mark.serial, agent.history], [2, ["apply - refused", "apply 2 done"]]);
});

Deno.test("confirm() lets a policy stay that was applied until a deadline", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  agent.apply(1);
  agent.apply(2, { confirmWithinS: 60 });
  deepStrictEqual([agent.serial, agent.inKernel, host.store.readCurrent()?.file], [2, 2, "/p1.yaml"]);
  ok(agent.rollout.waiting && agent.rollout.waiting.remainingS > 50);
  match(agent.rollout.notes.map(reasonText).join(), /serial 2, waits for confirmation/);
  agent.rollout.confirm();
  agent.expire();
  agent.rollout.tick();
  deepStrictEqual([agent.serial, agent.inKernel, host.store.readCurrent()?.file], [2, 2, "/p2.yaml"]);
  deepStrictEqual(agent.history, ["apply 1 done", "apply 2 pending", "confirm 2 done"]);
  strictEqual(refusalOf(() => agent.rollout.confirm()).exit, 1);
  using again = new Restartable(host);
  deepStrictEqual([again.serial, again.inKernel], [2, 2]);
});

Deno.test("the policy before comes back at the deadline, in the kernel first", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  const [one, two] = [host.file("one"), host.file("two")];
  agent.apply(1, { paths: [one] });
  agent.apply(2, { paths: [two], confirmWithinS: 60 });
  strictEqual(agent.inKernel, 2);
  agent.expire();
  strictEqual(agent.inKernel, 1);
  match(
    refusalOf(() => agent.rollout.confirm()).message,
    /was not confirmed in time; serial 1 is in force again/,
  );
  deepStrictEqual([agent.serial, agent.inKernel, agent.rollout.waiting], [1, 1, undefined]);
  strictEqual(host.state.control.live & AEGIS.LIVE_CONFIRM, 0);
  match(agent.rollout.notes.map(reasonText).join(), /serial 2, was taken back/);
  match(agent.log.join("\n"), /serial 2, was taken back/);
  deepStrictEqual(agent.history, ["apply 1 done", "apply 2 pending", "revert 2 done"]);
  // It may be tried again, and others are not hindered.
  agent.apply(2, { paths: [two] });
  deepStrictEqual([agent.serial, agent.rollout.notes], [2, []]);
});

Deno.test("the policy before is followed while another waits for confirmation", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  const late = `${host.folder}/late`;
  agent.apply(1, { paths: [late] });
  agent.apply(2, { confirmWithinS: 60 });
  const path = host.file("late");
  agent.engine.follow();
  agent.expire();
  agent.rollout.tick();
  strictEqual(agent.engine.pathOf(host.identityOf(path)), path);
});

Deno.test("a policy that nobody confirmed while no agent ran is taken back by the next", () => {
  using host = new TestInstallation();
  {
    using agent = new Restartable(host);
    agent.apply(1);
    agent.apply(2, { confirmWithinS: 60 });
    agent.expire();
  }
  using agent = new Restartable(host);
  deepStrictEqual([agent.serial, agent.inKernel], [1, 1]);
  strictEqual(host.state.control.live & AEGIS.LIVE_CONFIRM, 0);
  deepStrictEqual(agent.history.slice(2), ["revert 2 done", "start 1 done"]);
  match(agent.rollout.notes.map(reasonText).join(), /while no agent ran/);
});

Deno.test("an agent that starts before the deadline goes on waiting for confirmation", () => {
  using host = new TestInstallation();
  {
    using agent = new Restartable(host);
    agent.apply(1);
    agent.apply(2, { confirmWithinS: 60 });
  }
  const deadline = host.state.control.confirmUntilNs;
  {
    using agent = new Restartable(host);
    deepStrictEqual([agent.serial, agent.inKernel, host.state.control.confirmUntilNs], [2, 2, deadline]);
    deepStrictEqual([agent.history.at(-1), agent.rollout.waiting?.previous], ["start 2 pending", 1]);
  }
  {
    using agent = new Restartable(host);
    agent.expire();
    strictEqual(agent.inKernel, 1);
    agent.rollout.tick();
    deepStrictEqual([agent.serial, agent.inKernel, agent.history.at(-1)], [1, 1, "revert 2 done"]);
    agent.apply(3, { confirmWithinS: 60 });
  }
  using agent = new Restartable(host);
  agent.rollout.confirm();
  deepStrictEqual([agent.serial, agent.inKernel, host.store.readCurrent()?.file], [3, 3, "/p3.yaml"]);
});

Deno.test("what the policy before covers besides stays covered when it comes back under another agent", () => {
  using host = new TestInstallation();
  const path = host.file("watched");
  {
    using agent = new Restartable(host);
    agent.apply(1, { paths: [path] });
    // It leaves its place, and another comes to stand there.
    Deno.renameSync(path, `${host.folder}/left`);
    host.file("watched");
    agent.engine.follow();
    agent.apply(2, { confirmWithinS: 60 });
  }
  using agent = new Restartable(host);
  agent.expire();
  agent.rollout.tick();
  strictEqual(agent.inKernel, 1);
  const count = () => readRuleCounts(host.state.maps).reduce((sum, { count }) => sum + count, 0n);
  const before = count();
  for (const file of [path, `${host.folder}/left`]) Deno.readTextFileSync(file);
  strictEqual(count() - before, 2n);
});

Deno.test("a first policy that is not confirmed leaves none in force", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  agent.apply(1, { confirmWithinS: 60 });
  agent.expire();
  agent.rollout.tick();
  deepStrictEqual([agent.serial, agent.inKernel], [undefined, 0]);
  using again = new Restartable(host);
  deepStrictEqual([again.serial, again.inKernel], [undefined, 0]);
});

Deno.test("while a policy waits for confirmation another is refused, and rollback takes it back", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  agent.apply(1);
  agent.apply(2, { confirmWithinS: 60 });
  match(refusalOf(() => agent.apply(3)).message, /serial 2, waits for confirmation: first/);
  match(refusalOf(() => agent.engine.withExtraRules()).message, /waits for confirmation/);
  strictEqual(agent.serial, 2);
  strictEqual(agent.rollout.rollback().inForce.policy.serial, 1);
  deepStrictEqual([agent.serial, agent.inKernel, agent.history.at(-1)], [1, 1, "rollback 1 done"]);
  agent.apply(3);
});

Deno.test("rollback() goes to the next lower serial that stayed, or to the one that is asked for", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  for (const serial of [1, 2, 4]) agent.apply(serial);
  agent.apply(5, { confirmWithinS: 60 });
  agent.expire();
  agent.rollout.tick();
  agent.apply(6);
  const went = [undefined, undefined, 6, 1].map((to) => {
    agent.rollout.rollback(to);
    return [agent.serial, agent.inKernel];
  });
  deepStrictEqual(went, [[4, 4], [2, 2], [6, 6], [1, 1]]);
  deepStrictEqual(agent.history.slice(-4), ["4", "2", "6", "1"].map((serial) => `rollback ${serial} done`));
  match(
    refusalOf(() => agent.rollout.rollback()).message,
    /No earlier policy is kept; kept are 1, 2, 4, 5, 6/,
  );
  match(refusalOf(() => agent.rollout.rollback(3)).message, /No policy with serial 3 is kept/);
  strictEqual(agent.rollout.rollback(1).applied, false);
});

Deno.test("rollback() leaves the serial that a new policy must have, over restarts", () => {
  using host = new TestInstallation();
  {
    using agent = new Restartable(host);
    agent.apply(1);
    agent.apply(7);
    agent.rollout.rollback();
    strictEqual(refusalOf(() => agent.apply(6)).exit, 5);
  }
  using agent = new Restartable(host);
  deepStrictEqual([agent.serial, agent.inKernel], [1, 1]);
  strictEqual(refusalOf(() => agent.apply(2)).exit, 5);
  agent.apply(8);
  deepStrictEqual([agent.serial, agent.rollout.problems], [8, []]);
});

Deno.test("rollback() refuses a policy that is damaged, sets it aside, and changes nothing", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  agent.apply(1);
  agent.apply(2);
  const [first] = host.store.kept;
  Deno.writeTextFileSync(`${host.places.state}/policies/${first?.sha256}.yaml`, "other");
  match(refusalOf(() => agent.rollout.rollback()).message, /serial 1 is damaged/);
  deepStrictEqual([agent.serial, agent.inKernel, agent.history.at(-1)], [2, 2, "rollback 1 refused"]);
});

Deno.test("rollback() holds a policy against who may sign, as apply() and start() do", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  agent.apply(1);
  agent.apply(2);
  let admitted = 0;
  using anchor = Anchor.open(host.pins.folder);
  const rollout = new Rollout({
    engine: agent.engine,
    store: host.store,
    state: host.places.state,
    anchor,
    log: () => {},
    reverted: () => {},
    admit: () => {
      if (++admitted > 1) throw new Refusal(5, "unsigned");
      return { signer: "alice", warnings: [] };
    },
  });
  rollout.apply({ bytes: policyBytes({ serial: 3, paths: ["/x"] }), file: "/p3.yaml" }, {});
  strictEqual(rollout.history.entries.at(-1)?.signer, "alice");
  strictEqual(refusalOf(() => rollout.rollback()).exit, 5);
  strictEqual(refusalOf(() => rollout.rollback(1)).exit, 5);
  strictEqual(agent.serial, 3);
});

Deno.test("start() refuses a lower serial that was asked for, and takes what was in force", () => {
  using host = new TestInstallation();
  const write = (serial: number, path: string) => {
    const file = `${host.folder}/p${serial}.yaml`;
    Deno.writeFileSync(file, policyBytes({ serial, paths: [path] }), { mode: 0o600 });
    return file;
  };
  const [old, now, next] = [write(1, "/a"), write(7, "/a"), write(8, "/a")];
  {
    using agent = new Restartable(host, now);
    strictEqual(agent.serial, 7);
  }
  strictEqual(refusalOf(() => new Restartable(host, old)).exit, 5);
  {
    using agent = new Restartable(host, now);
    strictEqual(agent.serial, 7);
    agent.rollout.apply({ bytes: Deno.readFileSync(next), file: next }, {});
    agent.rollout.rollback();
  }
  using agent = new Restartable(host, now);
  deepStrictEqual([agent.serial, agent.rollout.mark.serial], [7, 8]);
});

Deno.test("start() notices that every file was deleted while the kernel side went on", () => {
  using host = new TestInstallation();
  {
    using agent = new Restartable(host);
    agent.apply(1);
    agent.apply(7);
  }
  Deno.removeSync(host.places.state, { recursive: true });
  Deno.mkdirSync(`${host.places.state}/policies`, { recursive: true });
  const store = new PolicyStore(host.places.state);
  using agent = new Restartable(Object.assign(Object.create(host), { store }));
  match(agent.rollout.problems.join("\n"), /entries 1 to 2 are missing at the end: the kernel/);
  match(agent.rollout.problems.join("\n"), /serial\.json is missing, but the kernel knows serial 7/);
  strictEqual(refusalOf(() => agent.apply(6)).exit, 5);
});

Deno.test("an emergency stop outlives a policy that is taken back", () => {
  using host = new TestInstallation();
  using agent = new Restartable(host);
  const { control } = host.state;
  agent.apply(1);
  agent.apply(2, { confirmWithinS: 60 });
  control.changeLive({ set: AEGIS.LIVE_EMERGENCY });
  agent.expire();
  agent.rollout.tick();
  deepStrictEqual([agent.inKernel, control.live & AEGIS.LIVE_EMERGENCY], [1, AEGIS.LIVE_EMERGENCY]);
});
