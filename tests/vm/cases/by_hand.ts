/** Rules and exemptions by hand, and the emergency stop. All disturb the others. */

import { type Case, category, check, type Context, equal, eventually, type Setup } from "../guest/case.ts";

const disruptive = true;
/** What depends on the agent alone is tried on one kernel, and on this machine's. */
const once = { kernels: ["7.3-none", "host"] };

/** A file that no rule of the policy names, and a control. */
const prepare = (t: Setup): void => {
  t.file(`${t.dir()}/secret`);
  t.file(`${t.dir()}/control`);
};

const prepareDenied = (t: Setup): void => {
  t.deny(t.file(`${t.dir()}/secret`), { deny: ["read", "attr", "link", "rename", "truncate"] });
  t.file(`${t.dir()}/control`);
};

/** The denied file and the control, opened now. */
function both(t: Context, ...options: string[]): string {
  return t.act.all(["secret", "control"].map((name) => [...options, "open-read", `${t.dir()}/${name}`]))
    .join();
}

async function until(t: Context, expected: string, what: string): Promise<void> {
  await eventually(() => equal(both(t), expected, what));
}

/** Refusals from before may be reported later than what they were followed by. */
async function reportedAsAudit(t: Context): Promise<void> {
  await eventually(async () => {
    const events = await t.events.of(t.ruleId());
    check(events.some(({ action }) => action === "audit"), "no event of the action audit");
  });
}

/** Starts the agent again as it is started after a crash: with nothing but what it kept. */
function again(t: Context): Promise<void> {
  return t.agent.start("--events", t.events.path);
}

const name = (t: Setup): string => t.ruleId().slice(-40).replace(/^[^a-z0-9]+/, "");

const byHand = category("by hand", [
  {
    name: "a file is denied at once, through kill -9, a restart and a new policy, until it is removed",
    disruptive,
    kernels: ["6.1-bpf", "7.3-none", "host"],
    prepare,
    run: async (t) => {
      equal(both(t), "ok,ok", "the files before");
      await t.agent.expect(0, "deny", "add", `${t.dir()}/secret`, "--id", name(t));
      equal(both(t), "EPERM,ok", "the files after deny add");
      equal((await t.events.of(`hand:${name(t)}`)).at(0)?.action, "deny", "the event's action");
      await t.agent.kill();
      equal(both(t), "EPERM,ok", "the files without an agent");
      await again(t);
      equal(both(t), "EPERM,ok", "the files under the new agent");
      await t.agent.expect(0, "policy", "apply", t.writePolicy({}));
      equal(both(t), "EPERM,ok", "the files under the new policy");
      await t.agent.expect(0, "deny", "remove", name(t));
      equal(both(t), "ok,ok", "the files after deny remove");
    },
  },
  {
    name: "a rule ends with its time, and one that ends while no agent runs goes at the next start",
    disruptive,
    prepare,
    ...once,
    run: async (t) => {
      await t.agent.expect(0, "deny", "add", `${t.dir()}/secret`, "--ttl", "8s");
      equal(both(t), "EPERM,ok", "the files after deny add");
      await until(t, "ok,ok", "a rule whose time is over");
      await t.agent.expect(0, "deny", "add", `${t.dir()}/secret`, "--ttl", "1s");
      await t.agent.kill();
      await new Promise((done) => setTimeout(done, 1500));
      await again(t);
      equal(both(t), "ok,ok", "the files under the new agent");
    },
  },
  {
    name: "a cgroup is exempt with its subtree until that is taken back",
    disruptive,
    kernels: ["5.10-none", "6.1-bpf", "6.12-none", "7.3-bpf", "host"],
    prepare: prepareDenied,
    run: async (t) => {
      const cgroup = t.guest.plainCgroup;
      const path = cgroup.slice(t.guest.cgroupRoot.length);
      equal(both(t, "--cgroup", cgroup), "EPERM,ok", "the files before");
      await t.agent.expect(0, "allow", "add", path);
      equal(both(t, "--cgroup", cgroup), "ok,ok", "the files from the cgroup");
      equal(both(t), "EPERM,ok", "the files from outside");
      await t.agent.expect(0, "allow", "remove", path);
      equal(both(t, "--cgroup", cgroup), "EPERM,ok", "the files from the cgroup afterwards");
    },
  },
  {
    name: "what would lock the host out is refused",
    disruptive,
    prepare,
    ...once,
    run: async (t) => {
      const answer = await t.agent.expect(4, "deny", "add", "/etc/**");
      check(answer.stderr.includes("--force"), answer.stderr);
    },
  },
  {
    name: "rules stand without a policy",
    phases: ["alone"],
    ...once,
    run: async (t) => {
      prepare(t);
      await t.agent.start("--events", "off");
      await t.agent.expect(0, "deny", "add", `${t.dir()}/secret`);
      equal(both(t), "EPERM,ok", "the files after deny add");
      equal((await t.agent.health("--require-enforce")).policy.rules, 1, "policy.rules");
      await t.agent.kill();
      await t.agent.start("--events", "off");
      equal(both(t), "EPERM,ok", "the files under the new agent");
      await t.agent.expect(0, "deny", "remove", `${t.dir()}/secret`);
      equal(both(t), "ok,ok", "the files after deny remove");
    },
  },
]);

/** What an emergency stop must open, and what must be refused again after it. */
function everyHook(t: Context): string {
  const secret = `${t.dir()}/secret`;
  return t.act.all([
    ["open-read", secret],
    ["chmod", secret, "600"],
    ["truncate", secret],
    ["link", secret, `${t.dir()}/link-${++links}`],
    ["rename", secret, `${t.dir()}/moved`],
    ["rename", `${t.dir()}/moved`, secret],
  ]).join();
}

let links = 0;

const emergency = category("emergency", [
  {
    name: "nothing is refused, all is reported, health says why, until it is ended",
    disruptive,
    prepare: prepareDenied,
    run: async (t) => {
      equal(everyHook(t), "EPERM,EPERM,EPERM,EPERM,EPERM,ENOENT", "the operations before");
      await t.agent.expect(0, "emergency", "disable", "--reason", "INC-4711", "--for", "5m");
      equal(everyHook(t), "ok,ok,ok,ok,ok,ok", "the operations during it");
      await reportedAsAudit(t);
      const health = await t.agent.json(1, "health", "--json");
      equal(health.posture, "off", "posture");
      check(health.reasons.some((reason: string) => reason.includes("INC-4711")), health.reasons.join("; "));
      await t.agent.expect(0, "emergency", "enable");
      equal(everyHook(t), "EPERM,EPERM,EPERM,EPERM,EPERM,ENOENT", "the operations afterwards");
    },
  },
  {
    name: "it works without an agent, ends by itself in the kernel, and the next agent notes that",
    disruptive,
    kernels: ["7.3-none", "host"],
    prepare: prepareDenied,
    run: async (t) => {
      await t.agent.kill();
      await t.agent.expect(0, "emergency", "disable", "--reason", "no agent", "--for", "8s");
      equal(both(t), "ok,ok", "the files during it");
      await until(t, "EPERM,ok", "an emergency stop whose time is over");
      await again(t);
      const { active, history } = await t.agent.json(0, "emergency", "status", "--json");
      equal(active, false, "active");
      equal(history.at(-1)?.action, "expired", "the last thing that is recorded");
    },
  },
  {
    name: "an agent that starts during it goes on with it",
    disruptive,
    prepare: prepareDenied,
    ...once,
    run: async (t) => {
      await t.agent.expect(0, "emergency", "disable", "--reason", "restart");
      await t.agent.kill();
      await again(t);
      equal(both(t), "ok,ok", "the files under the new agent");
      await t.agent.expect(0, "policy", "apply", t.writePolicy({}));
      equal(both(t), "ok,ok", "the files under a new policy");
      await t.agent.expect(0, "emergency", "enable");
      equal(both(t), "EPERM,ok", "the files afterwards");
    },
  },
]);

/** The cases of `by hand` and `emergency`. */
export const handMade: Case[] = [...byHand, ...emergency];
