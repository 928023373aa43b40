/**
 * Rules by hand and the emergency stop with a real agent on this machine's own kernel, where it only audits: what is kept, what a
 * damaged file or a full disk does to it, and that an agent which is dead or hangs is in nobody's way.
 *
 *   deno run --allow-all tests/host/by_hand.ts --agent PATH [--only PART-OF-A-NAME]
 *
 * Prints a line of JSON for each case.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { parseArgs } from "node:util";
import { type Cases, type Host, runCases } from "./installation.ts";

const { values } = parseArgs({
  options: { agent: { type: "string", default: "" }, only: { type: "string", default: "" } },
});

const QUIET = ["--events", "off"];

async function json(host: Host, code: number, ...args: string[]) {
  const answer = await host.ask(...args, "--json");
  strictEqual(answer.code, code, answer.err + answer.out);
  return JSON.parse(answer.out);
}

async function done(host: Host, ...args: string[]): Promise<void> {
  const { code, err } = await host.ask(...args);
  strictEqual(code, 0, err);
}

/** How often a rule was hit. */
async function hits(host: Host, rule: string): Promise<number> {
  const { rows } = await json(host, 0, "stats", "--by", "rule");
  return rows.find(({ key }: { key: string }) => key === rule)?.count ?? 0;
}

function stateOf(host: Host): string {
  return `${host.environment.AEGISBPF_ROOT}/var/lib/aegisbpf`;
}

function file(host: Host, name: string): string {
  const path = `${host.folder}/${name}`;
  Deno.writeTextFileSync(path, name);
  return path;
}

const CASES: Cases = {
  "rules by hand are there after kill -9, are shown as such, and are in the history": async (host) => {
    await host.start(...QUIET);
    const path = file(host, "leaked");
    const { rule } = await json(host, 0, "deny", "add", path, "--id", "leak", "--ttl", "1h");
    deepStrictEqual([rule.id, rule.state, rule.deny], ["hand:leak", "bound", ["read", "write", "exec"]]);
    await host.end("SIGKILL");
    await host.start(...QUIET);
    Deno.readTextFileSync(path);
    strictEqual(await hits(host, "hand:leak"), 1);
    const shown = await json(host, 0, "policy", "show");
    deepStrictEqual(
      shown.rule_list.map(({ id, origin }: { id: string; origin?: string }) => [id, origin]),
      [["watched", undefined], ["hand:leak", "hand"]],
    );
    strictEqual((await json(host, 0, "health")).policy.rules, 2);
    // Nothing is refused under this backend.
    const { rule: deciding } = await json(host, 0, "explain", path);
    deepStrictEqual([deciding.id, deciding.origin], ["hand:leak", "hand"]);
    await done(host, "deny", "remove", "leak");
    strictEqual((await host.ask("deny", "remove", "leak")).code, 1);
    const { entries } = await json(host, 0, "policy", "history");
    const reasons = entries.filter(({ what }: { what: string }) => what === "hand").map((
      { reason }: { reason: string },
    ) => reason);
    strictEqual(reasons.length, 2);
    match(
      reasons.join("\n"),
      /^rule hand:leak added: deny read,write,exec of .*\nrule hand:leak .* removed$/,
    );
  },

  "a change by hand that is cut off is there after a restart, whole, as soon as it is kept": async (host) => {
    const path = file(host, "leaked");
    const changes = [["deny", "add", path, "--id", "leak"], ["deny", "remove", "leak"]];
    await host.start(...QUIET);
    for (const point of ["kept", "switched"]) {
      for (const [index, change] of changes.entries()) {
        await host.end();
        host.environment.AEGISBPF_FAULT_POINT = `hand:${point}`;
        await host.again(...QUIET);
        ok((await host.ask(...change)).code !== 0, "the agent is gone");
        await host.died();
        delete host.environment.AEGISBPF_FAULT_POINT;
        await host.again(...QUIET);
        const context = `${change.slice(0, 2).join(" ")}: ${point}`;
        const expected = index === 0 ? 1 : 0;
        strictEqual((await json(host, 0, "deny", "list")).rules.length, expected, context);
        const before = await hits(host, "hand:leak");
        Deno.readTextFileSync(path);
        strictEqual(await hits(host, "hand:leak") - before, expected, context);
        strictEqual((await json(host, 0, "health")).policy.serial, 1, context);
      }
    }
  },

  "a damaged hand.json is set aside, its copy goes on, and health says so": async (host) => {
    await host.start(...QUIET);
    await done(host, "deny", "add", file(host, "one"));
    await host.end();
    Deno.writeTextFileSync(`${stateOf(host)}/hand.json`, "{");
    await host.start(...QUIET);
    strictEqual((await json(host, 0, "deny", "list")).rules.length, 1);
    const { degradations } = await json(host, 0, "health");
    ok(
      degradations.some(({ code }: { code: string }) => code === "hand_rules"),
      JSON.stringify(degradations),
    );
    match(host.log, /hand\.json is damaged/);
    ok([...Deno.readDirSync(stateOf(host))].some(({ name }) => name.startsWith("hand.json.damaged-")));
  },

  "with a full disk no rule is added, and an emergency stop is in force all the same": async (host) => {
    const state = stateOf(host);
    Deno.mkdirSync(state, { recursive: true });
    await new Deno.Command("mount", { args: ["-t", "tmpfs", "-o", "size=1m", "tmpfs", state] }).output();
    try {
      await host.start(...QUIET, "--record", "off");
      await done(host, "deny", "add", file(host, "before"));
      using filler = Deno.openSync(`${state}/filler`, { write: true, create: true });
      try {
        for (;;) filler.writeSync(new Uint8Array(4096));
      } catch (error) {
        ok(error instanceof Error && "code" in error && error.code === "ENOSPC", String(error));
      }
      const refused = await host.ask("deny", "add", file(host, "after"));
      strictEqual(refused.code, 70, refused.err);
      match(refused.err, /nothing was changed/);
      strictEqual((await json(host, 0, "deny", "list")).rules.length, 1);
      const changed = await json(host, 0, "emergency", "disable", "--reason", "disk full");
      deepStrictEqual([changed.active, changed.reason], [true, "disk full"]);
      match(changed.warnings.join(), /not recorded/);
      const health = await json(host, 1, "health");
      deepStrictEqual([health.posture, health.emergency.reason], ["off", "disk full"]);
      await host.end("SIGKILL");
    } finally {
      await new Deno.Command("umount", { args: ["-l", state] }).output();
    }
  },

  "an agent that hangs is not in the way of an emergency stop": async (host) => {
    await host.start(...QUIET);
    host.signal("SIGSTOP");
    try {
      const disabled = await host.ask("emergency", "disable", "--reason", "it hangs", "--json");
      strictEqual(disabled.code, 0, disabled.err);
      match(disabled.err, /done by what is pinned/);
      const health = await json(host, 1, "health");
      strictEqual(health.posture, "off");
      match(health.reasons.join("\n"), /it hangs \[emergency_stop\]/);
    } finally {
      host.signal("SIGCONT");
    }
    const { active, reason } = await json(host, 0, "emergency", "status");
    deepStrictEqual([active, reason], [true, "it hangs"]);
    await host.until(() => /critical \[emergency_stop\]/.test(host.log), "the agent to say so");
    await done(host, "emergency", "enable");
    await host.until(() => /over \[emergency_stop\]/.test(host.log), "the agent to say that it is over");
    strictEqual((await host.ask("health")).code, 0);
  },

  "an emergency stop ends with the agent dead, and the next agent notes it, in events and history too":
    async (
      host,
    ) => {
      await host.start(...QUIET);
      await host.end("SIGKILL");
      await done(host, "emergency", "disable", "--reason", "INC-1", "--for", "2s");
      strictEqual((await json(host, 0, "emergency", "status")).active, true);
      await host.until(async () => !(await json(host, 0, "emergency", "status")).active, "its end");
      await host.start(...QUIET);
      const { history } = await json(host, 0, "emergency", "status");
      deepStrictEqual(history.map(({ action, via }: { action: string; via: string }) => [action, via]), [
        ["disable", "pins"],
        ["expired", "agent"],
      ]);
      const { entries } = await json(host, 0, "policy", "history");
      strictEqual(entries.filter(({ what }: { what: string }) => what === "emergency").length, 2);
      await done(host, "emergency", "disable", "--reason", "INC-2", "--for", "1m");
      await host.until(async () => /INC-2/.test((await host.ask("events")).out), "an event");
      const events = (await host.ask("events", "--json")).out.trim().split("\n").map((line) =>
        JSON.parse(line)
      );
      const states = events.filter(({ code }) => code === "emergency_stop");
      deepStrictEqual(
        states.map(({ action, state, severity, posture }) => [action, state, severity, posture]),
        [
          ["state", "begin", "critical", "off"],
        ],
      );
    },
};

await runCases("by hand", CASES, values);
