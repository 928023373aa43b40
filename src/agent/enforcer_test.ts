import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { readCounters } from "../kernel/counters.ts";
import { fileEntry } from "../kernel/entries.ts";
import { COUNTER } from "../kernel/layout.ts";
import { LiveSet } from "../kernel/live_set.ts";
import { ROOM_TO_LEARN } from "../kernel/sets.ts";
import { MountWatch } from "../../ffi/mount_watch.ts";
import { runFollower } from "./follower.ts";
import type { PolicyEngine } from "./policy_engine.ts";
import { policyBytes, TestInstallation } from "./test_support.ts";

function applied(host: TestInstallation, ...paths: string[]): PolicyEngine {
  const engine = host.engine();
  engine.apply(engine.check(policyBytes({ paths }), "p.yaml"));
  return engine;
}

/** How many reads of these paths the kernel side counts. */
function seenReads(host: TestInstallation, ...paths: string[]): number {
  const before = readCounters(host.state.maps).AUDITED;
  for (const path of paths) Deno.readTextFileSync(path);
  return Number(readCounters(host.state.maps).AUDITED - before);
}

Deno.test("follow() finds nothing when nothing changed", () => {
  using host = new TestInstallation();
  const engine = applied(host, host.file("one"), `${host.folder}/missing`);
  deepStrictEqual(engine.follow(), []);
  deepStrictEqual(engine.follow(), []);
});

Deno.test("follow() does nothing before the first policy", () => {
  using host = new TestInstallation();
  deepStrictEqual(host.engine().follow(), []);
});

Deno.test("follow() covers a file that replaces another, and keeps the one that was replaced", () => {
  using host = new TestInstallation();
  const path = host.file("config");
  Deno.linkSync(path, `${host.folder}/backup`);
  const engine = applied(host, path);
  Deno.renameSync(host.file("config.new"), path);
  strictEqual(seenReads(host, path), 0);
  const changed = engine.follow();
  deepStrictEqual(changed.map(({ identity }) => identity), [host.identityOf(path)]);
  strictEqual(seenReads(host, path, `${host.folder}/backup`), 2);
});

Deno.test("follow() covers a file that comes to a path at which nothing stood", () => {
  using host = new TestInstallation();
  const path = `${host.folder}/deep/er/late`;
  const engine = applied(host, path);
  Deno.mkdirSync(`${host.folder}/deep/er`, { recursive: true });
  Deno.writeTextFileSync(path, "late");
  strictEqual(engine.follow().length, 1);
  strictEqual(seenReads(host, path), 1);
  Deno.removeSync(path);
  deepStrictEqual(engine.follow().map(({ identity }) => identity), [undefined]);
});

/** Uses up room of the live set, as files do that are replaced often. */
function useUp(host: TestInstallation, count: number): void {
  const { control } = host.state;
  using live = new LiveSet(host.state, control.liveIndex(), []);
  const first = control.setInfo(control.liveIndex()).generation * 1_000_000n;
  for (let i = 0n; i < count; i++) live.add(fileEntry({ ino: first + i, dev: 1, gen: 9 }, 1));
}

Deno.test("follow() makes the set anew when files were replaced so often that it has no more room", () => {
  using host = new TestInstallation();
  const path = host.file("config");
  Deno.linkSync(path, `${host.folder}/backup`);
  const engine = applied(host, path);
  const { control } = host.state;
  const generation = control.setInfo(control.liveIndex()).generation;
  throws(() => useUp(host, ROOM_TO_LEARN + 1), { code: "E2BIG" });
  Deno.renameSync(host.file("config.new"), path);
  deepStrictEqual(engine.follow().map(({ identity }) => identity), [host.identityOf(path)]);
  strictEqual(seenReads(host, path, `${host.folder}/backup`), 2, "the new file, and the old one elsewhere");
  strictEqual(control.setInfo(control.liveIndex()).generation, generation + 1n);
  strictEqual(engine.current?.generation, generation + 1n);
  deepStrictEqual(engine.follow(), []);
  strictEqual(engine.mustFollow, false);
});

Deno.test("follow() lets go what left its places when that is more than filters bear", () => {
  using host = new TestInstallation();
  const path = host.file("config");
  const engine = applied(host, path);
  const entries = () => {
    const { control } = host.state;
    return control.setInfo(control.liveIndex()).entries;
  };
  const before = entries();
  for (let round = 1; round <= 2; round++) {
    throws(() => useUp(host, ROOM_TO_LEARN + 1), { code: "E2BIG" });
    Deno.renameSync(host.file("config.new"), path);
    engine.follow();
    strictEqual(seenReads(host, path), 1);
  }
  ok(entries() <= before + 3, `${entries()} entries, ${before} at first`);
});

Deno.test("follow() makes the set anew when the kernel side has used up half of its room", () => {
  using host = new TestInstallation();
  const engine = applied(host, host.file("config"));
  const { counters } = host.state.maps;
  const perCpu = new Uint8Array(counters.userValueSize);
  new DataView(perCpu.buffer).setBigUint64(COUNTER.LEARNT * 8, BigInt(ROOM_TO_LEARN / 2), true);
  const generation = engine.current?.generation ?? 0n;
  deepStrictEqual([engine.follow(), engine.current?.generation], [[], generation]);
  counters.update(new Uint8Array(4), perCpu);
  strictEqual(engine.mustFollow, true);
  deepStrictEqual([engine.follow(), engine.current?.generation], [[], generation + 1n]);
  strictEqual(engine.mustFollow, false);
});

Deno.test("runFollower() polls where nothing tells of changes: a replaced file is covered within a second", async () => {
  using host = new TestInstallation();
  const path = host.file("config");
  const engine = applied(host, path);
  const abort = new AbortController();
  const following = runFollower({
    follow: () => engine.follow(),
    watched: { observe: () => {}, needsMore: () => true },
    signal: abort.signal,
  });
  try {
    Deno.renameSync(host.file("config.new"), path);
    const end = performance.now() + 1000;
    while (seenReads(host, path) === 0) {
      if (performance.now() > end) throw new Error("Expected the new file to be covered within a second");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    abort.abort();
    await following;
  }
});

Deno.test("runFollower() does not look where the kernel side tells of changes and no mount changed", async () => {
  for (let attempts = 0; attempts < 50; attempts++) {
    using mounts = new MountWatch();
    const abort = new AbortController();
    let looks = 0;
    const following = runFollower({ follow: () => looks++, signal: abort.signal });
    await new Promise((resolve) => setTimeout(resolve, 300));
    abort.abort();
    await following;
    // Somebody else on this machine may have mounted something.
    if (await mounts.changed(0)) continue;
    strictEqual(looks, 0);
    return;
  }
  throw new Error("Expected no mount to change for 300 ms");
});
