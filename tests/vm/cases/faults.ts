/**
 * Faults of the agent and around it: one table of what health must say of each, while a denied file is opened without
 * pause and never once opens.
 */

import { mount, MountFlags, unmount } from "../../../ffi/libc.ts";
import { type Case, category, check, type Context, equal } from "../guest/case.ts";

interface Fault {
  readonly name: string;
  /** Makes it, and waits until it is there. */
  readonly make: (t: Context) => void | Promise<void>;
  /** What `health` says then. */
  readonly posture: string;
  readonly exit: number;
  readonly mend?: (t: Context) => void | Promise<void>;
}

const POLICY = "/etc/aegisbpf/policy.yaml";
const STATE = "/var/lib/aegisbpf";
const MS_REMOUNT = 32;

const TABLE: readonly Fault[] = [
  { name: "none", make: () => {}, posture: "enforce", exit: 0 },
  {
    name: "the agent hangs",
    make: (t) => Deno.kill(t.agent.pid, "SIGSTOP"),
    posture: "enforce",
    exit: 1,
    mend: (t) => Deno.kill(t.agent.pid, "SIGCONT"),
  },
  {
    name: "a second agent is started",
    make: async (t) => void await t.agent.expect(3, "run", "--events", "off"),
    posture: "enforce",
    exit: 0,
  },
  {
    name: "a policy that is none is reloaded",
    make: (t) => reload(t, "rules: [", "reload refused"),
    posture: "enforce",
    exit: 0,
  },
  {
    name: "a good policy is reloaded",
    make: (t) => reload(t, Deno.readTextFileSync(t.writePolicy({})), "applied policy"),
    posture: "enforce",
    exit: 0,
  },
  {
    name: "the state directory cannot be written",
    make: async (t) => {
      mount(STATE, STATE, "", MountFlags.Bind);
      mount("", STATE, "", MountFlags.Bind | MountFlags.ReadOnly | MS_REMOUNT);
      const { code } = await t.agent.run("policy", "apply", t.writePolicy({}));
      check(code !== 0, "a policy was applied that could not be kept");
    },
    posture: "enforce",
    exit: 0,
    mend: () => unmount(STATE),
  },
  {
    name: "the state directory's disk is full",
    make: async (t) => {
      mount("tmpfs", STATE, "tmpfs", 0, "size=8k,mode=0700");
      Deno.writeFileSync(`${STATE}/filler`, new Uint8Array(8192));
      const { code } = await t.agent.run("policy", "apply", t.writePolicy({}));
      check(code !== 0, "a policy was applied that could not be kept");
    },
    posture: "enforce",
    exit: 0,
    mend: () => unmount(STATE),
  },
  {
    name: "the agent is killed",
    make: (t) => t.agent.kill(),
    posture: "enforce",
    exit: 1,
    mend: (t) => t.agent.start("--events", t.events.path),
  },
];

/** Bytes of the log, more than there are. */
const WHOLE = 1 << 24;

/** Has the agent read a policy file again; waits for what it says of it. */
async function reload(t: Context, policy: string, said: string): Promise<void> {
  const before = t.agent.log(WHOLE).length;
  Deno.mkdirSync("/etc/aegisbpf", { recursive: true, mode: 0o755 });
  Deno.writeTextFileSync(POLICY, policy, { mode: 0o600 });
  Deno.kill(t.agent.pid, "SIGHUP");
  const end = Date.now() + 20_000;
  while (!t.agent.log(WHOLE).slice(before).includes(said)) {
    check(Date.now() < end, `${said} is not in the log: ${t.agent.log(WHOLE).slice(before)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  Deno.removeSync(POLICY);
}

/** Asks until health says what it must: an emulated machine at its limit is late, and then health says no. */
async function saysIn(t: Context, { name, posture, exit }: Fault): Promise<void> {
  const end = Date.now() + 20_000;
  for (;;) {
    const { code, stdout } = await t.agent.run("health", "--json");
    const health = JSON.parse(stdout);
    if (code === exit && health.posture === posture) return;
    if (Date.now() > end) equal(`${health.posture}, exit ${code}`, `${posture}, exit ${exit}`, name);
  }
}

export const faults: readonly Case[] = category("faults", [
  {
    name: "the denied file stays denied through each, and health tells the truth of it",
    disruptive: true,
    // What the kernel keeps without an agent is tried on each: see life.
    kernels: ["6.12-none"],
    prepare: (t) => {
      t.deny(t.file(`${t.dir()}/secret`));
    },
    run: async (t) => {
      // Reloaded is what the agent is started with, or the file at its usual place.
      await t.agent.kill();
      await t.agent.start("--events", t.events.path);
      using watch = t.act.repeat("open-read", `${t.dir()}/secret`);
      for (const fault of TABLE) {
        await fault.make(t);
        try {
          await saysIn(t, fault);
          equal(t.act.one("open-read", `${t.dir()}/secret`), "EPERM", `the file while ${fault.name}`);
        } finally {
          await fault.mend?.(t);
        }
      }
      await t.agent.health("--require-enforce");
      await t.agent.refusedAll(await watch.stop());
    },
  },
]);
