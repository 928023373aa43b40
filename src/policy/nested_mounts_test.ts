import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { SetEntry } from "../kernel/entries.ts";
import { readMounts } from "../kernel/host.ts";
import type { Rule } from "./model.ts";
import { type CoveredMount, NestedMounts } from "./nested_mounts.ts";
import { acceptPolicy } from "./testing.ts";

const IDENTITIES = {
  of: (path: string) => ({
    identity: { ino: BigInt(path.length), dev: 1, gen: 0 },
    mode: 0o040755,
    links: 1,
  }),
};

/** A rule over `DIR/**`, and what is mounted. */
class Ground {
  lines: readonly string[] = [];
  asked: CoveredMount[] = [];
  readonly held = new Map<string, SetEntry>();
  readonly #rule: Rule;
  readonly #mounts: NestedMounts;

  constructor(harmful: (mountPoint: string) => boolean = () => false) {
    const policy = acceptPolicy(
      "version: 1\nname: n\nserial: 1\nrules:\n  - { id: r, paths: [/srv/tree/**] }\n",
    );
    this.#rule = policy.rules[0] as Rule;
    this.#mounts = new NestedMounts({
      harmful: (covered) => {
        this.asked.push(...covered);
        return covered.map(({ mountPoint }) => harmful(mountPoint));
      },
      mounts: () => readMounts(this.lines.map((line, index) => `${index} 1 ${line}`).join("\n")),
    });
  }

  get views(): string[][] {
    return this.#mounts.views.map(({ path, state }) => [path, state]);
  }

  /** Inode numbers of what is covered after a look: lengths of the mount points. */
  look(...lines: string[]): number[] {
    this.lines = lines;
    this.#mounts.cover([{ rule: this.#rule, index: 1, path: "/srv/tree" }], IDENTITIES, {
      add: (entry) => void this.held.set(`${entry.a}`, entry),
      remove: (entry) => void this.held.delete(`${entry.a}`),
    });
    return [...this.held.values()].map(({ a }) => Number(a));
  }
}

const DISK = "8:16 / /srv/tree/a rw - ext4 /dev/sdb rw";

Deno.test("cover() adds what is mounted below the directory, and in that, and nothing beside it", () => {
  const ground = new Ground();
  deepStrictEqual(
    ground.look(DISK, "0:9 / /srv/tree/a/bb rw - tmpfs t rw", "0:8 / /srv/tree-too/c rw - tmpfs t rw"),
    ["/srv/tree/a".length, "/srv/tree/a/bb".length],
  );
});

Deno.test("cover() leaves the directory's own mount to the walk along the path", () => {
  deepStrictEqual(new Ground().look("0:8 / /srv/tree rw - tmpfs t rw", "0:7 / / rw - tmpfs t rw"), []);
});

Deno.test("cover() leaves the kernel's interfaces alone", () => {
  const ground = new Ground();
  deepStrictEqual(
    ground.look("0:4 / /srv/tree/proc rw - proc p rw", "0:5 / /srv/tree/cg rw - cgroup2 c rw"),
    [],
  );
  strictEqual(ground.asked.length, 0);
});

Deno.test("cover() leaves alone what would lock the host out, and asks once for each mount", () => {
  const ground = new Ground((mountPoint) => mountPoint.endsWith("usr"));
  const usr = "8:1 /usr /srv/tree/usr rw - ext4 /dev/sda1 rw";
  deepStrictEqual(ground.look(DISK, usr), ["/srv/tree/a".length]);
  deepStrictEqual(ground.look(DISK, usr), ["/srv/tree/a".length]);
  deepStrictEqual(ground.views, [["/srv/tree/a", "covered"], ["/srv/tree/usr", "left alone"]]);
  deepStrictEqual(ground.asked.map(({ mountPoint }) => mountPoint), ["/srv/tree/a", "/srv/tree/usr"]);
});

Deno.test("cover() goes on covering what is mounted elsewhere now, and no longer what is mounted nowhere", () => {
  const ground = new Ground();
  ground.look(DISK);
  deepStrictEqual(ground.look("8:16 / /mnt rw - ext4 /dev/sdb rw"), ["/srv/tree/a".length]);
  deepStrictEqual(ground.look("8:1 / /mnt rw - ext4 /dev/sda1 rw"), []);
});
