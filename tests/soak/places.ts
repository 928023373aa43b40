/** The files, cgroups and policies of a day. */

import type { Act, Words } from "../vm/guest/act.ts";
import type { Guest } from "../vm/guest/case.ts";

/** The files that programs open; all but `byHand` are denied by every policy of the day. */
export type Named = "canary" | "conf" | "tree" | "scoped" | "flood" | "byHand";

/** Operations from a cgroup, and what must come of each. */
export interface Visit {
  readonly name: Named;
  readonly words: readonly Words[];
  readonly expected: "EPERM" | "ok";
}

/** Files below the subtree; so many of them are opened in a storm. */
const TREE = 1000;
const STORM = 100;
/** Rules that only make a policy large; a third of them is other ones in each. */
const FILLER = 60;

/** The places of one day. */
export class Places {
  readonly cgroupsPerRound = 10;
  readonly #root: string;
  readonly #scope: string;
  #serial = 0;

  constructor(readonly guest: Guest, readonly act: Act, readonly scratch: string) {
    this.#root = `${guest.ext4}/day`;
    this.#scope = `${guest.plainCgroup}/day`;
    Deno.mkdirSync(`${this.#root}/tree/deep`, { recursive: true });
    Deno.mkdirSync(`${this.#root}/filler`);
    Deno.mkdirSync(this.#scope);
    for (const name of ["canary", "conf", "tree", "scoped", "flood", "byHand"] as const) {
      this.#file(this.path(name));
    }
    for (let i = 0; i < TREE; i++) this.#file(`${this.#root}/tree/deep/${i}`);
    for (let i = 0; i < 2 * FILLER; i++) this.#file(`${this.#root}/filler/${i}`);
  }

  /** Where a file is. */
  path(name: Named): string {
    return name === "tree" ? `${this.#root}/tree/file` : `${this.#root}/${name}`;
  }

  /** Writes the next policy; answers its file. */
  policy(): string {
    const serial = ++this.#serial, path = `${this.scratch}/policy.yaml`;
    const rules = [
      { id: "soak-canary", paths: [this.path("canary")] },
      { id: "soak-conf", paths: [this.path("conf")] },
      { id: "soak-tree", paths: [`${this.#root}/tree/**`] },
      { id: "soak-scoped", paths: [this.path("scoped")], in: ["day"] },
      { id: "soak-flood", paths: [this.path("flood")] },
      ...Array.from({ length: FILLER }, (_, i) => {
        const number = (i + serial * FILLER / 3) % (2 * FILLER);
        return { id: `filler-${number}`, paths: [`${this.#root}/filler/${number}`] };
      }),
    ];
    const cgroup = (path: string): string => path.slice(this.guest.cgroupRoot.length);
    const policy = {
      ...{ version: 1, name: "soak", serial, mode: "enforce", rules },
      allow: { cgroups: [cgroup(this.guest.exemptCgroup)] },
      scopes: { day: [cgroup(this.#scope)] },
    };
    Deno.writeTextFileSync(path, JSON.stringify(policy), { mode: 0o600 });
    return path;
  }

  /** A package manager puts ten new files over a protected one; what opens of each came to. */
  upgradePackage(): string[] {
    const conf = this.path("conf");
    const words = Array.from(
      { length: 10 },
      () => [["replace", conf, `${conf}.new`, "text"], ["open-read", conf]],
    );
    return this.act.all(words.flat()).filter((_, i) => i % 2 === 1);
  }

  /** Every file of the subtree, from a cgroup of its own; what opens of them came to. */
  fill(part: number): string[] {
    return this.storm(`fill-${part}`, TREE);
  }

  /** Files of the subtree, from a cgroup of its own; what opens of them came to. */
  storm(name: string, count = STORM): string[] {
    const cgroup = `${this.guest.plainCgroup}/storm-${name}`;
    Deno.mkdirSync(cgroup);
    const files = Array.from({ length: count }, (_, i) => ["open-read", `${this.#root}/tree/deep/${i}`]);
    const results = this.act.all(files.map((words) => ["--cgroup", cgroup, ...words]));
    Deno.removeSync(cgroup);
    return results;
  }

  /** Cgroups are made in a scope, outside it and below an exempt one, each visited while it is there. */
  *cgroupsComeAndGo(round: number): Generator<Visit> {
    const file = this.path("scoped");
    for (
      const [parent, expected] of [
        [this.#scope, "EPERM"],
        [this.guest.plainCgroup, "ok"],
        [this.guest.exemptCgroup, "ok"],
      ] as const
    ) {
      const count = expected === "EPERM" ? this.cgroupsPerRound - 2 : 1;
      const made = Array.from({ length: count }, (_, i) => `${parent}/round-${round}-${i}`);
      for (const cgroup of made) Deno.mkdirSync(cgroup);
      yield {
        name: "scoped",
        words: made.map((cgroup) => ["--cgroup", cgroup, "open-read", file]),
        expected,
      };
      for (const cgroup of made) Deno.removeSync(cgroup);
    }
  }

  #file(path: string): void {
    Deno.writeTextFileSync(path, "text\n");
  }
}
