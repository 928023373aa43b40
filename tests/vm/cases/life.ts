/** The agent's life: health, a second agent, kill -9, adoption, policies that come and go. All disturb the others. */

import { dirname } from "node:path";
import { type Case, category, check, type Context, equal, type Setup } from "../guest/case.ts";

const disruptive = true;

const prepare = (t: Setup): void => {
  t.deny(t.file(`${t.dir()}/secret`));
  t.file(`${t.dir()}/control`);
};

/** The denied file and the control, opened now. */
function both(t: Context): string {
  return t.act.all(["secret", "control"].map((name) => ["open-read", `${t.dir()}/${name}`])).join();
}

/** Starts the agent again as it is started after a crash: with nothing but what it kept. */
function again(t: Context): Promise<void> {
  return t.agent.start("--events", t.events.path);
}

async function killed(t: Context): Promise<void> {
  using watch = t.act.repeat("open-read", `${t.dir()}/secret`);
  await t.agent.kill();
  equal(both(t), "EPERM,ok", "the files without an agent");
  const health = await t.agent.json(1, "health", "--json");
  equal(health.posture, "enforce", "posture without an agent");
  equal(health.ok, false, "ok without an agent");
  await again(t);
  await t.agent.health("--require-enforce");
  equal(both(t), "EPERM,ok", "the files under the new agent");
  await t.agent.refusedAll(await watch.stop());
}

/** Another agent finds pins that it cannot adopt: what `spoil` makes of the folder of its own. */
function anew(name: string, kernel: string, spoil: (own: string) => void): Omit<Case, "category"> {
  return {
    name,
    disruptive,
    prepare,
    kernels: [kernel],
    run: async (t) => {
      const folders = () => [...Deno.readDirSync(t.agent.pins)].map((entry) => entry.name).join();
      const own = folders();
      using watch = t.act.repeat("open-read", `${t.dir()}/secret`);
      await t.agent.kill();
      spoil(`${t.agent.pins}/${own}`);
      equal(both(t), "EPERM,ok", "the files without an agent");
      await again(t);
      equal(folders(), own, "what is pinned");
      await t.agent.health("--require-enforce");
      equal(both(t), "EPERM,ok", "the files under the new agent");
      await t.agent.refusedAll(await watch.stop());
    },
  };
}

const life = category("life", [
  {
    name: "health says what holds",
    disruptive,
    prepare,
    run: async (t) => {
      const health = await t.agent.health("--require-enforce");
      equal(health.ok, true, "ok");
      equal(health.posture, "enforce", "posture");
      equal(health.backend, t.guest.backend, "backend");
      equal(health.agent.pid, t.agent.pid, "agent.pid");
      equal(health.kernel.release, t.guest.release, "kernel.release");
      equal(health.policy.rules, t.policy.rules.length, "policy.rules");
      equal(both(t), "EPERM,ok", "the files");
    },
  },
  {
    name: "a second agent is refused",
    disruptive,
    kernels: ["5.10-bpf", "6.12-bpf", "6.12-arm64-bpf"],
    prepare,
    run: async (t) => {
      const second = await t.agent.expect(3, "run", "--events", "off");
      check(
        second.stderr.includes(String(t.agent.pid)),
        `the first one's pid is not named: ${second.stderr}`,
      );
      equal(both(t), "EPERM,ok", "the files");
    },
  },
  {
    name: "kill -9 leaves the file denied, a new agent adopts it, and there is no gap",
    disruptive,
    prepare,
    run: killed,
  },
  {
    name: "kill -9 with the rules of all cases in force leaves no gap either",
    disruptive,
    whole: true,
    kernels: ["5.10-none", "6.12-bpf"],
    prepare,
    run: killed,
  },
  anew("an upgrade from another schema has no gap, and leaves nothing of the old", "5.10-bpf", (own) => {
    Deno.renameSync(own, `${dirname(own)}/schema-0`);
  }),
  anew("pins that are half made are made anew without a gap", "6.1-none", (own) => {
    Deno.removeSync(`${own}/meta`);
  }),
  {
    name: "a stop leaves the file denied",
    disruptive,
    kernels: ["5.10-none", "6.1-bpf", "6.12-none", "7.3-bpf", "6.12-arm64-none"],
    prepare,
    run: async (t) => {
      equal(await t.agent.stop(), 0, "the agent's exit status");
      equal(both(t), "EPERM,ok", "the files without an agent");
      await again(t);
      equal(both(t), "EPERM,ok", "the files under the new agent");
    },
  },
]);

/** By a policy of the case's rule alone, and that by the first one again. */
async function replaced(t: Context): Promise<void> {
  using watch = t.act.repeat("open-read", `${t.dir()}/secret`);
  const own = t.policy.rules.filter((rule) => rule.id === t.ruleId());
  await t.agent.expect(0, "policy", "apply", t.writePolicy({ rules: own }));
  await t.agent.expect(0, "policy", "apply", t.writePolicy({}));
  await t.agent.refusedAll(await watch.stop());
}

const policies = category("policy", [
  {
    name: "shown is the one that was applied",
    disruptive,
    kernels: ["5.10-bpf", "6.12-none", "6.12-arm64-bpf"],
    prepare,
    run: async (t) => {
      const shown = await t.agent.json(0, "policy", "show", "--json");
      check(JSON.stringify(shown).includes(t.ruleId()), "the case's rule is not shown");
    },
  },
  {
    name: "with an error is refused and changes nothing",
    disruptive,
    kernels: ["5.10-none", "7.3-bpf", "6.12-arm64-bpf"],
    prepare,
    run: async (t) => {
      const bad = t.writePolicy({ rules: [{ id: "bad", paths: ["relative/path"] }] });
      const answer = await t.agent.expect(4, "policy", "apply", bad);
      check(/:\d+:\d+: /.test(answer.stderr), `no line and column: ${answer.stderr}`);
      equal(both(t), "EPERM,ok", "the files");
    },
  },
  {
    name: "with a lower serial is refused and changes nothing",
    disruptive,
    kernels: ["6.1-bpf", "7.3-none", "6.12-arm64-bpf"],
    prepare,
    run: async (t) => {
      await t.agent.expect(5, "policy", "apply", t.writePolicy({ serial: 1, rules: [] }));
      equal(both(t), "EPERM,ok", "the files");
    },
  },
  {
    name: "is replaced without a moment in which a file that both deny opens",
    disruptive,
    kernels: ["6.1-bpf", "6.12-none", "6.12-arm64-none"],
    prepare,
    run: replaced,
  },
  {
    name: "with the rules of all cases is replaced without such a moment either",
    disruptive,
    whole: true,
    kernels: ["5.10-none", "7.3-bpf"],
    prepare,
    run: replaced,
  },
  {
    name: "without the rule opens the file again",
    disruptive,
    kernels: ["5.10-bpf", "7.3-none", "6.12-arm64-bpf"],
    prepare,
    run: async (t) => {
      const rules = t.policy.rules.filter((rule) => rule.id !== t.ruleId());
      equal(both(t), "EPERM,ok", "the files before");
      await t.agent.expect(0, "policy", "apply", t.writePolicy({ rules }));
      equal(both(t), "ok,ok", "the files without the rule");
      await t.agent.expect(0, "policy", "apply", t.writePolicy({}));
      equal(both(t), "EPERM,ok", "the files with the rule again");
    },
  },
  {
    name: "in audit mode lets the file open and reports it",
    disruptive,
    kernels: ["5.10-bpf", "6.12-none"],
    prepare,
    run: async (t) => {
      const before = t.events.decisions(t.ruleId());
      // A rule with a mode of its own keeps it.
      const rules = t.policy.rules.map(({ mode: _mode, ...rule }) => rule);
      await t.agent.expect(0, "policy", "apply", t.writePolicy({ mode: "audit", rules }));
      equal(both(t), "ok,ok", "the files in audit mode");
      const events = await t.events.of(t.ruleId(), before + 1);
      equal(events.at(-1)?.action, "audit", "the event's action");
      equal((await t.agent.health()).posture, "audit", "posture");
      await t.agent.expect(0, "policy", "apply", t.writePolicy({}));
      equal(both(t), "EPERM,ok", "the files in enforce mode again");
    },
  },
]);

/** The cases of `life` and `policy`. */
export const lives: Case[] = [...policies, ...life];
