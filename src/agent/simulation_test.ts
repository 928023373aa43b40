import { equal, match } from "node:assert/strict";
import { libc } from "../../ffi/libc.ts";
import { Teller } from "../kernel/teller.ts";
import type { Identity } from "../kernel/packed.ts";
import { acceptPolicy } from "../policy/testing.ts";
import type { Access } from "./access_log.ts";
import { Simulation } from "./simulation.ts";
import { refusalOf } from "./test_support.ts";

// It stays open until the process ends; opened within a test it would count as a leak of that test.
libc();

/** A folder with a file `key`, and a cgroup hierarchy of plain directories, which is all that ids are taken from. */
class Scene implements Disposable {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "aegisbpf-simulation-" });
  readonly teller: Teller = new Teller();
  readonly key: string = this.file("key");

  constructor() {
    Deno.mkdirSync(`${this.folder}/cgroup/web/worker`, { recursive: true });
  }

  file(name: string): string {
    Deno.writeTextFileSync(`${this.folder}/${name}`, name);
    return `${this.folder}/${name}`;
  }

  identityOf(path: string): Identity {
    const known = this.teller.identities.of(path);
    if (known === undefined) throw new Error(`Expected a file at ${path}`);
    return known.identity;
  }

  simulation(rules: string, head = ""): Simulation {
    const policy = acceptPolicy(`version: 1\nname: p\nserial: 1\n${head}rules: [${rules}]\n`);
    return new Simulation(policy, this.teller.identities, `${this.folder}/cgroup`);
  }

  [Symbol.dispose](): void {
    this.teller[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const BASE = { op: "read", uid: 0, cgroup: "/", count: 1 } as const;

function outcome(simulation: Simulation, access: Partial<Access>): string {
  const { says, rule, by } = simulation.judge({ ...BASE, ...access });
  return [says, ...(rule ? [rule.id] : []), by].join(" ");
}

Deno.test("Simulation judges a file under every name it has", () => {
  using scene = new Scene();
  Deno.linkSync(scene.key, `${scene.folder}/hard`);
  Deno.symlinkSync("key", `${scene.folder}/soft`);
  const simulation = scene.simulation(`{id: r, paths: [${scene.key}]}`);
  for (const name of ["key", "hard", "soft", "cgroup/../key"]) {
    equal(outcome(simulation, { path: `${scene.folder}/${name}` }), "deny r file");
  }
  equal(outcome(simulation, { path: scene.file("other") }), "nothing file");
  equal(outcome(simulation, { path: scene.key, op: "delete" }), "nothing file");
});

Deno.test("Simulation judges subtrees, inodes, and what may come to stand at a place", () => {
  using scene = new Scene();
  const { dev, ino } = scene.identityOf(scene.key);
  const simulation = scene.simulation(
    `{id: tree, paths: [${scene.folder}/cgroup/**], mode: audit}, {id: late, paths: [${scene.folder}/later]}, ` +
      `{id: inode, inodes: ["${dev >>> 20}:${dev & 0xfffff}:${ino}"]}`,
  );
  equal(outcome(simulation, { path: scene.file("cgroup/web/x") }), "audit tree file");
  equal(outcome(simulation, { path: `${scene.folder}/cgroup/none` }), "audit tree place");
  equal(outcome(simulation, { path: `${scene.folder}/later` }), "deny late place");
  equal(outcome(simulation, { path: scene.key }), "deny inode file");
});

Deno.test("Simulation judges the file of an event that still stands where it stood", () => {
  using scene = new Scene();
  const simulation = scene.simulation(`{id: r, paths: [${scene.folder}/**]}`);
  equal(outcome(simulation, { path: scene.key, file: scene.identityOf(scene.key) }), "deny r file");
});

Deno.test("Simulation judges a file that was replaced as itself and as what stands in its place", () => {
  using scene = new Scene();
  const old = scene.identityOf(scene.key);
  Deno.renameSync(scene.key, `${scene.folder}/kept`);
  const moved = scene.simulation(`{id: r, paths: [${scene.folder}/kept]}`);
  equal(outcome(moved, { path: scene.key, file: old }), "deny r replaced");
  const place = scene.simulation(`{id: r, paths: [${scene.key}]}`);
  equal(outcome(place, { path: scene.key, file: old }), "deny r replaced");
  scene.file("key");
  const replaced = scene.simulation(`{id: r, paths: [${scene.key}]}`);
  equal(outcome(replaced, { path: scene.key, file: old }), "deny r replaced");
});

Deno.test("Simulation does not take a path of another file system for the file of an event", () => {
  using scene = new Scene();
  const simulation = scene.simulation(`{id: r, paths: [${scene.key}]}, {id: i, inodes: ["0:99:7"]}`);
  const elsewhere = { dev: 98, ino: 7n, gen: 0 };
  equal(outcome(simulation, { path: scene.key, file: elsewhere }), "nothing identity");
  equal(outcome(simulation, { path: scene.key, file: { ...elsewhere, dev: 99 } }), "deny i identity");
  equal(outcome(simulation, { file: { ...elsewhere, dev: 99 } }), "deny i identity");
});

Deno.test("Simulation takes cgroups, executables and users into account", () => {
  using scene = new Scene();
  const program = scene.file("program");
  const simulation = scene.simulation(
    `{id: r, paths: [${scene.key}], in: [web], except: {uids: [33], exe: [${program}]}}`,
    "scopes: {web: [/web, /later]}\nallow: {cgroups: [/web/worker/trusted]}\n",
  );
  const path = scene.key;
  equal(outcome(simulation, { path }), "nothing file");
  equal(outcome(simulation, { path, cgroup: "/web/worker" }), "deny r file");
  equal(outcome(simulation, { path, cgroup: "/web/gone/since" }), "deny r file");
  equal(outcome(simulation, { path, cgroup: "/later/x" }), "deny r file");
  equal(outcome(simulation, { path, cgroup: "/web/worker/trusted" }), "nothing file");
  equal(outcome(simulation, { path, cgroup: "/web", uid: 33 }), "nothing file");
  equal(outcome(simulation, { path, cgroup: "/web", exe: program }), "nothing file");
  equal(outcome(simulation, { path, cgroup: "/web", exe: `${program}-not` }), "deny r file");
});

Deno.test("Simulation refuses what it cannot tell", () => {
  using scene = new Scene();
  const simulation = scene.simulation(`{id: r, paths: [${scene.key}]}`);
  const wrong: readonly (readonly [Partial<Access>, RegExp])[] = [
    [{ path: `${scene.key}/below` }, /is no directory/],
    [{ path: scene.key, cgroup: "id:999999999" }, /no cgroup with the id/],
    [{ path: scene.key, cgroup: "web" }, /Expected a cgroup/],
  ];
  for (const [access, message] of wrong) {
    match(refusalOf(() => simulation.judge({ ...BASE, ...access })).message, message);
  }
});

Deno.test("Simulation refuses a policy that the kernel side has no room for", () => {
  using scene = new Scene();
  const rules = Array.from({ length: 40 }, (_, index) => `{id: r${index}, paths: [${scene.key}]}`).join();
  equal(refusalOf(() => scene.simulation(rules)).exit, 4);
});
