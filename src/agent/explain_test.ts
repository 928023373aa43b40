/** Holds what `explain` says against what this machine's kernel does; needs root, as loading programs does. */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { mount, MountFlags, unmount } from "../../ffi/libc.ts";
import { TemporaryBpffs } from "../../ffi/test_support.ts";
import { bringUp } from "../kernel/bring_up.ts";
import { ensureCanary } from "../kernel/canary.ts";
import { readRuleCounts } from "../kernel/counters.ts";
import { AEGIS } from "../kernel/layout.ts";
import { Pins } from "../kernel/pins.ts";
import type { KernelState } from "../kernel/state.ts";
import type { ExplainReport } from "./api.ts";
import { explain, type ExplainQuestion } from "./explain.ts";
import { locations } from "./locations.ts";
import { PolicyEngine } from "./policy_engine.ts";
import { PolicyStore } from "./policy_store.ts";

/** A kernel side with a policy about files in a folder, by the backend that every kernel has. */
class Host implements AsyncDisposable {
  readonly root = Deno.makeTempDirSync({ prefix: "aegisbpf-explain-" });
  readonly #bpffs = new TemporaryBpffs();
  readonly #pins = new Pins(`${this.#bpffs.path}/aegisbpf`);
  state!: KernelState;
  engine!: PolicyEngine;

  static async with(files: readonly string[], rules: (root: string) => string): Promise<Host> {
    const host = new Host();
    for (const file of files) {
      Deno.mkdirSync(`${host.root}/${file}`.replace(/\/[^/]*$/, ""), { recursive: true });
      Deno.writeTextFileSync(`${host.root}/${file}`, "secret\n");
    }
    const places = locations({ AEGISBPF_ROOT: `${host.root}/.aegis`, AEGISBPF_BPFFS: host.#bpffs.path });
    Deno.mkdirSync(places.run, { recursive: true });
    ensureCanary(places.canary);
    const up = await bringUp({ pins: host.#pins, canary: places.canary, candidates: ["tracepoint"] });
    host.state = up.state;
    const store = new PolicyStore(places.state);
    host.engine = new PolicyEngine({ state: up.state, pins: host.#pins, store, locations: places });
    const text = `version: 1\nname: test\nserial: 1\nmode: enforce\n${rules(host.root)}`;
    const checked = host.engine.check(new TextEncoder().encode(text), "test.yaml", { force: true });
    host.engine.apply(checked);
    return host;
  }

  ask(path: string, question: Omit<ExplainQuestion, "path"> = {}): ExplainReport {
    return explain(this, { path: path.startsWith("/") ? path : `${this.root}/${path}`, ...question });
  }

  /** The same, as if the backend could refuse. */
  askEnforcing(path: string, question: Omit<ExplainQuestion, "path"> = {}): ExplainReport {
    const state: KernelState = Object.create(this.state, { backend: { value: "lsm" } });
    return explain({ state, engine: this.engine }, { path: `${this.root}/${path}`, ...question });
  }

  /** How many decisions a rule has made so far. */
  count(id: string): number {
    return readRuleCounts(this.state.maps).filter(({ rule }) => this.engine.numbers.nameOf(rule) === id)
      .reduce((sum, { count }) => sum + Number(count), 0);
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.#pins.remove();
    this.state[Symbol.dispose]();
    this.#bpffs[Symbol.dispose]();
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** This process, as `explain` is asked about it. */
function myself(): Pick<ExplainQuestion, "cgroup" | "uid" | "exe"> {
  const cgroup = Deno.readTextFileSync("/proc/self/cgroup").match(/^0::(.*)$/m)?.[1] ?? "/";
  return { cgroup, uid: String(Deno.uid()), exe: Deno.execPath() };
}

Deno.test("explain() says of every file what the kernel makes of opening it", async () => {
  const { cgroup } = myself();
  await using host = await Host.with(
    ["file", "write-only", "tree/a/b/deep", "scoped", "elsewhere", "uid", "exe", "free", "audited"],
    (root) =>
      `scopes:
  here: ["${cgroup}"]
  there: [/no/such.service]
rules:
  - {id: file, paths: [${root}/file, ${root}/later]}
  - {id: write-only, paths: [${root}/write-only], deny: [write]}
  - {id: tree, paths: [${root}/tree/**]}
  - {id: scoped, paths: [${root}/scoped], in: [here, there]}
  - {id: elsewhere, paths: [${root}/elsewhere], in: [there]}
  - {id: uid, paths: [${root}/uid], except: {uids: [${Deno.uid()}]}}
  - {id: exe, paths: [${root}/exe], except: {exe: [${Deno.execPath()}]}}
  - {id: audited, paths: [${root}/audited], mode: audit}
`,
  );
  Deno.linkSync(`${host.root}/file`, `${host.root}/hard`);
  Deno.symlinkSync("tree/a", `${host.root}/soft`);
  const rules = ["file", "write-only", "tree", "scoped", "elsewhere", "uid", "exe", "audited"];
  const expected: Record<string, string | null> = {
    file: "file",
    hard: "file",
    "write-only": null,
    "tree/a/b/deep": "tree",
    "soft/b/deep": "tree",
    scoped: "scoped",
    elsewhere: null,
    uid: null,
    exe: null,
    free: null,
    audited: "audited",
  };
  for (const [name, rule] of Object.entries(expected)) {
    const report = host.ask(name, myself());
    const before = rules.map((id) => host.count(id));
    Deno.openSync(`${host.root}/${name}`).close();
    const counted = rules.filter((id, index) => host.count(id) > (before[index] ?? 0));
    equal(report.rule?.id ?? null, rule, name);
    deepEqual(counted, rule === null ? [] : [rule], name);
    equal(report.decision, rule === null ? "allow" : "audit", name);
  }
});

Deno.test("explain() names the rule's line, its target and what keeps it from refusing", async () => {
  await using host = await Host.with(["key"], (root) => `rules:\n  - id: keys\n    paths: [${root}/key]\n`);
  const report = host.ask("key");
  equal(report.rule?.line, 6);
  deepEqual(report.rule?.target, { text: `${host.root}/key`, line: 7 });
  equal(report.condition, "everywhere");
  match(report.notes.join(), /tracepoint only reports/);
  match(report.change?.steps.join() ?? "", /where a backend can refuse/);
  equal(report.file.identity?.split(":").length, 4);
});

Deno.test("explain() says what would become of files and cgroups that are not there", async () => {
  await using host = await Host.with(["tree/file"], (root) =>
    `scopes: {web: [/made/later.service]}
rules:
  - {id: place, paths: [${root}/no/such/key]}
  - {id: tree, paths: [${root}/tree/**], in: [web]}
`);
  Deno.symlinkSync("no/such/key", `${host.root}/dangling`);
  for (const name of ["no/such/key", "dangling"]) {
    const { file, rule, decision } = host.ask(name);
    deepEqual([file.state, file.path, rule?.id, rule?.by, decision], [
      "missing",
      `${host.root}/no/such/key`,
      "place",
      "place",
      "audit",
    ]);
  }
  const later = host.ask("tree/new/file", { cgroup: "/made/later.service/worker" });
  equal(later.rule?.id, "tree");
  equal(later.condition, "in scope web");
  match(host.ask("tree/file").condition, /not in its scope: web/);
  throws(() => host.ask("tree/file/below"), /is no directory/);
  throws(() => host.ask("tree/file", { cgroup: "id:99999999999" }), /no cgroup with the id/);
  throws(() => host.ask("tree/file", { exe: "/no/such/program" }), /no executable/);
  throws(() => host.ask("tree/file", { uid: "-1" }), /Expected a uid/);
});

Deno.test("explain() sees subtrees above the root of a bind mount", async () => {
  await using host = await Host.with(
    ["tree/sub/file", "mounted/nothing"],
    (root) => `rules:\n  - {id: tree, paths: [${root}/tree/**]}\n`,
  );
  mount(`${host.root}/tree/sub`, `${host.root}/mounted`, "", MountFlags.Bind);
  try {
    const report = host.ask("mounted/file");
    equal(report.rule?.id, "tree");
    equal(report.rule?.by, "subtree");
  } finally {
    unmount(`${host.root}/mounted`, { detach: true });
  }
});

Deno.test("explain() sees a rule on a lower file through an overlay", async () => {
  await using host = await Host.with(
    ["lower/key", "upper/nothing", "work/nothing", "merged/nothing"],
    (root) => `rules:\n  - {id: lower, paths: [${root}/lower/key]}\n`,
  );
  Deno.removeSync(`${host.root}/work/nothing`);
  const [lower, upper, work] = ["lower", "upper", "work"].map((name) => `${host.root}/${name}`);
  const merged = `${host.root}/merged`;
  mount("overlay", merged, "overlay", 0, `lowerdir=${lower},upperdir=${upper},workdir=${work}`);
  try {
    const report = host.askEnforcing("merged/key");
    deepEqual([report.decision, report.rule?.id], ["deny", "lower"]);
    equal(report.file.behind?.path, `${lower}/key`);
    match(report.rule?.why[0] ?? "", /behind this one.*lower\/key/);
    equal(host.ask("merged/key").decision, "allow");
  } finally {
    unmount(merged, { detach: true });
  }
});

Deno.test("explain() says when the backend does not see an operation", async () => {
  await using host = await Host.with(
    ["file"],
    (root) => `rules:\n  - {id: file, paths: [${root}/file], deny: [delete]}\n`,
  );
  const report = host.ask("file", { op: "delete" });
  equal(report.decision, "allow");
  equal(report.rule?.says, "deny");
  match(report.notes[0] ?? "", /delete is not seen: the backend tracepoint has no hook/);
});

Deno.test("explain() knows the canary, and an emergency stop", async () => {
  await using host = await Host.with(["file"], (root) => `rules:\n  - {id: file, paths: [${root}/file]}\n`);
  const canary = host.ask(".aegis/run/aegisbpf/canary");
  equal(canary.rule?.id, "(canary)");
  host.state.control.emergencyUntilNs = 1n << 62n;
  host.state.control.changeLive({ set: AEGIS.LIVE_EMERGENCY });
  const report = host.ask("file");
  ok(report.notes.some((note) => note.includes("emergency stop")));
  ok(report.change?.steps.includes("end the emergency stop: aegisbpf emergency enable"));
});

Deno.test("explain() tells the smallest change that allows what is denied", async () => {
  await using host = await Host.with(["one", "both", "only"], (root) =>
    `rules:
  - {id: first, paths: [${root}/one, ${root}/both]}
  - {id: second, paths: [${root}/both]}
  - {id: third, paths: [${root}/only], deny: [read]}
`);
  const steps = (name: string, question: Omit<ExplainQuestion, "path"> = {}) => {
    const { decision, change } = host.askEnforcing(name, question);
    deepEqual([decision, change?.to], ["deny", "allow"]);
    return change?.steps;
  };
  deepEqual(steps("one", { cgroup: "/web" }), ["add /web to except.cgroups of rules[0] (first)"]);
  deepEqual(steps("one", { uid: "33" }), ["add 33 to except.uids of rules[0] (first)"]);
  deepEqual(steps("one", { exe: Deno.execPath(), uid: "33" }), [
    `add ${Deno.execPath()} to except.exe of rules[0] (first)`,
  ]);
  deepEqual(steps("one"), ["take read out of deny of rules[0] (first)"]);
  deepEqual(steps("both", { cgroup: "/web" }), ["add /web to allow.cgroups"]);
  deepEqual(steps("only"), ["take out rules[2] (third)"]);
});

Deno.test("explain() tells the smallest change that denies what is allowed", async () => {
  await using host = await Host.with(["file", "quiet", "free"], (root) =>
    `scopes: {web: [/web]}
allow: {cgroups: [/backup]}
rules:
  - {id: file, paths: [${root}/file], deny: [read], in: [web], except: {uids: [33]}}
  - {id: quiet, paths: [${root}/quiet], mode: audit}
`);
  const steps = (name: string, question: Omit<ExplainQuestion, "path"> = {}) => {
    const { change } = host.askEnforcing(name, question);
    equal(change?.to, "deny");
    return change?.steps;
  };
  deepEqual(steps("file", { cgroup: "/other" }), ["add /other to scopes.web"]);
  deepEqual(steps("file"), ["take in out of rules[0] (file): it then applies everywhere"]);
  deepEqual(steps("file", { cgroup: "/web", op: "write" }), ["add write to deny of rules[0] (file)"]);
  deepEqual(steps("file", { cgroup: "/web/worker", uid: "33" }), [
    "take 33 out of except.uids of rules[0] (file)",
  ]);
  deepEqual(steps("quiet", { cgroup: "/backup/daily" }), [
    "take /backup out of allow.cgroups",
    "set mode: enforce in rules[1] (quiet)",
  ]);
  deepEqual(steps("free"), [`add ${host.root}/free to the paths of a rule that denies read`]);
});
