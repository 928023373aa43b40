/**
 * A scene is a case told in lines: what is done, one operation of `act` after another, and what the kernel must answer.
 *
 *     { name: "a new file over it", lines: ["EPERM open-read @secret", "ok put @new text", "ok rename @new @secret", …] }
 *
 * A line is the result expected, then the operation's words. `@` begins a name in the case's directory, `%exempt` and
 * `%plain` are the cgroups that every case may use. All lines of a case run in one process, because under emulation the
 * start of one takes longer than a hundred operations.
 */

import {
  type Case,
  category,
  type Context,
  equal,
  eventually,
  Failure,
  type Rule,
  type Setup,
  Skip,
} from "./case.ts";
import type { FileSystem } from "./case.ts";

/** One case; what is not said is as for a file `secret` that a rule denies and a file `control` that none names. */
export interface Scene {
  readonly name: string;
  /** Where the case's directory is; default ext4. */
  readonly fs?: FileSystem;
  /** Files made before the policy is applied; a name that ends in `/` is a directory, `!` a program. Default: both. */
  readonly files?: readonly string[];
  /** Done before the policy is applied, in lines as below. */
  readonly before?: readonly string[];
  /** The same, for what no line can say. */
  readonly prepare?: (t: Setup) => void;
  /** The names that the rule covers; default `secret`. */
  readonly paths?: readonly string[];
  /** The rest of the rule. */
  readonly rule?: Partial<Rule>;
  /** What happens and what must come of it. */
  readonly lines?: readonly string[];
  /** The same, where the lines follow from the machine. */
  readonly act?: (t: Context) => readonly string[];
  /** What need not hold at once, where the kernel leaves something to the agent. */
  readonly later?: readonly string[];
  /** Results that mean that this kernel cannot do it, and the kernel's reason. */
  readonly skips?: Readonly<Record<string, string>>;
  /** An operation that an event of the case's rule must name. */
  readonly event?: string;
  /** Anything else that must be true afterwards. */
  readonly after?: (t: Context) => void | Promise<void>;
}

/** The cases of a category's scenes. */
export function scenes(name: string, list: readonly Scene[]): Case[] {
  return category(
    name,
    list.map((scene) => ({
      name: scene.name,
      prepare: (t) => prepare(scene, t),
      run: async (t) => {
        play(scene, t, scene.lines ?? scene.act?.(t) ?? []);
        if (scene.later) await eventually(() => play(scene, t, scene.later ?? []));
        if (scene.event !== undefined) await reported(scene.event, t);
        await scene.after?.(t);
      },
    })),
  );
}

/**
 * Plays lines.
 *
 * @throws {Failure} with all lines up to the first whose result is another
 */
export function play(
  scene: Pick<Scene, "fs" | "skips">,
  t: Pick<Setup, "act" | "dir" | "guest">,
  lines: readonly string[],
): void {
  if (lines.length === 0) return;
  const steps = lines.map((line) => {
    const [expected = "", ...words] = line.split(" ").map((word) => expand(word, scene, t));
    return { line, expected: expected.replaceAll("_", " "), words };
  });
  const results = t.act.all(steps.map(({ words }) => words));
  for (const [i, { expected }] of steps.entries()) {
    const result = results[i] ?? "";
    const reason = scene.skips?.[result];
    if (reason !== undefined) throw new Skip(reason);
    if (result !== expected) {
      throw new Failure(`${lines.slice(0, i + 1).join("; ")}: expected ${expected}, got ${result}`);
    }
  }
}

function expand(word: string, scene: Pick<Scene, "fs">, t: Pick<Setup, "dir" | "guest">): string {
  if (word.startsWith("@")) return `${t.dir(scene.fs)}/${word.slice(1)}`;
  return word.replace("%exempt", t.guest.exemptCgroup).replace("%plain", t.guest.plainCgroup);
}

function prepare(scene: Scene, t: Setup): void {
  const dir = t.dir(scene.fs);
  for (const name of scene.files ?? ["secret", "control"]) {
    if (name.endsWith("/")) Deno.mkdirSync(`${dir}/${name}`, { recursive: true });
    else if (name.endsWith("!")) t.program(`${dir}/${name.slice(0, -1)}`);
    else t.file(`${dir}/${name}`);
  }
  scene.prepare?.(t);
  play(scene, t, scene.before ?? []);
  const paths = (scene.paths ?? ["secret"]).map((name) => `${dir}/${name}`);
  if (paths.length > 0) t.deny(paths, scene.rule);
}

async function reported(op: string, t: Context): Promise<void> {
  const ops = (await t.events.of(t.ruleId())).filter((event) => event.action !== "rebound").map(({ op }) =>
    op
  );
  equal(ops.includes(op), true, `an event of ${op} among ${[...new Set(ops)].join() || "none"}`);
}
