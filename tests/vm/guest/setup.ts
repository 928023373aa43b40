/** What cases get to work with: files, rules, policies. One object a case, all of a phase adding to one policy. */

import type { Act } from "./act.ts";
import type { Agent } from "./agent.ts";
import type { Case, Context, FileSystem, Guest, Phase, Policy, Rule } from "./case.ts";
import type { EventLog } from "./events.ts";
import { rootOf } from "./images.ts";

/** What the cases of one phase have in common. */
export class Shared {
  readonly rules: Rule[] = [];
  readonly scopes: Record<string, readonly string[]> = {};
  #serial = 1;
  #written = 0;

  constructor(
    readonly phase: Phase,
    readonly guest: Guest,
    readonly act: Act,
    readonly agent: Agent,
    readonly events: EventLog,
    /** A directory for policy files. */
    readonly scratch: string,
  ) {}

  /** The policy with all rules so far. */
  get policy(): Policy {
    return {
      version: 1,
      name: "vm-suite",
      serial: this.#serial,
      mode: "enforce",
      allow: { cgroups: [this.guest.exemptCgroup.slice(this.guest.cgroupRoot.length)] },
      ...(Object.keys(this.scopes).length > 0 ? { scopes: this.scopes } : {}),
      rules: this.rules,
    };
  }

  /** Leaves all rules so far out of the policy from now on. */
  forget(): void {
    this.rules.length = 0;
    for (const name of Object.keys(this.scopes)) delete this.scopes[name];
  }

  /** Writes the policy, changed, with a serial of its own, and answers the file's path. */
  write(change: Partial<Policy>): string {
    const serial = change.serial ?? ++this.#serial;
    const path = `${this.scratch}/${this.phase}-${++this.#written}.yaml`;
    Deno.writeTextFileSync(path, JSON.stringify({ ...this.policy, ...change, serial }, null, 1), {
      mode: 0o600,
    });
    return path;
  }
}

/** The {@link Context} of one case; before the policy is applied it serves as its `Setup`. */
export class CaseContext implements Context {
  #dirs = new Map<string, string>();
  readonly #shared: Shared;
  readonly #id: string;

  constructor(shared: Shared, one: Case, number: number) {
    this.#shared = shared;
    this.#id = `${number}-${slug(one.category)}-${slug(one.name)}`.slice(0, 50).replace(/-+$/, "");
  }

  get phase(): Phase {
    return this.#shared.phase;
  }
  get guest(): Guest {
    return this.#shared.guest;
  }
  get act(): Act {
    return this.#shared.act;
  }
  get agent(): Agent {
    return this.#shared.agent;
  }
  get events(): EventLog {
    return this.#shared.events;
  }
  get policy(): Policy {
    return this.#shared.policy;
  }

  dir(fs: FileSystem = "ext4"): string {
    let dir = this.#dirs.get(fs);
    if (dir === undefined) {
      // Short, for the sake of socket addresses; by phase, because rules of an earlier one must not match.
      dir = `${rootOf(fs, this.guest, this.act)}/${this.phase}/${this.#id.split("-")[0]}`;
      Deno.mkdirSync(dir, { recursive: true, mode: 0o755 });
      this.#dirs.set(fs, dir);
    }
    return dir;
  }

  file(path: string, text = "secret"): string {
    Deno.writeTextFileSync(path, text + "\n");
    Deno.chmodSync(path, 0o644);
    return path;
  }

  program(path: string): string {
    Deno.copyFileSync(this.guest.nothing, path);
    Deno.chmodSync(path, 0o755);
    return path;
  }

  ruleId(suffix?: string): string {
    return suffix === undefined ? `c${this.#id}` : `c${this.#id}-${suffix}`;
  }

  deny(paths: string | readonly string[], rule: Partial<Rule> = {}): string {
    const id = this.ruleId();
    this.rule({ id, paths: typeof paths === "string" ? [paths] : paths, ...rule });
    return rule.id ?? id;
  }

  rule(rule: Rule): void {
    this.#shared.rules.push(rule);
  }

  scope(cgroups: readonly string[]): string {
    const name = `s${this.#id}`;
    this.#shared.scopes[name] = cgroups;
    return name;
  }

  writePolicy(change: Partial<Policy>): string {
    return this.#shared.write(change);
  }
}

function slug(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
}
