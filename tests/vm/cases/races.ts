/** Opens in the midst of others. */

import { PREEMPTED } from "../guest/agent.ts";
import { type Case, category, check, type Context, isAmong, Skip } from "../guest/case.ts";

/** What the file says; whoever reads it has got round the rule. */
const SECRET = "the-secret";

/** Where the race for a file goes on for a minute: once with `lsm`, once with `fmod_ret`. */
const FOR_A_MINUTE = ["7.3-bpf", "6.12-none"];

/** The cases of `race`. */
export const races: Case[] = category("race", [
  {
    name: "four processes replace, link, rename and reopen a file, and one tries to read it",
    phases: ["alone"],
    run: (t) => {
      const [secret, fresh, linked, moved] = ["secret", "new", "linked", "moved"].map((n) =>
        `${t.dir()}/${n}`
      );
      t.file(`${t.dir()}/secret`, SECRET);
      const seconds = isAmong(t.guest, FOR_A_MINUTE) ? 60 : t.guest.raceSeconds;
      return race(t, seconds, secret as string, [secret, linked, moved] as string[], [
        ["replace", secret, fresh, SECRET],
        ["link-and-unlink", secret, linked],
        ["there-and-back", secret, moved],
        ["hold-and-reopen", secret],
      ] as string[][]);
    },
  },
  {
    name: "directories are exchanged, moved away and filled, and one tries to read the file in them",
    kernels: ["5.10-bpf", "6.1-none", "6.12-bpf", "7.3-none"],
    phases: ["alone"],
    run: (t) => {
      const dir = t.dir();
      for (const name of ["a", "b"]) {
        Deno.mkdirSync(`${dir}/${name}`);
        t.file(`${dir}/${name}/secret`, SECRET);
      }
      return race(t, t.guest.raceSeconds, `${dir}/a/secret`, [`${dir}/a/secret`], [
        ["rename-exchange", `${dir}/a`, `${dir}/b`],
        ["replace", `${dir}/b/secret`, `${dir}/new`, SECRET],
        ["there-and-back", `${dir}/a`, `${dir}/away`],
        ["link-and-unlink", `${dir}/a/secret`, `${dir}/linked`],
      ]);
    },
  },
  {
    name: "opens that preempt others in the program",
    // With lsm: where the kernel skips those programs, too, and where it preempts itself most.
    kernels: ["5.10", "6.1", "6.12-none", "7.3"],
    // With an agent of its own: health would name what was skipped to all later cases.
    phases: ["alone"],
    run: async (t) => {
      const rules = [{ id: t.ruleId(), paths: [t.file(`${t.dir()}/secret`)] }];
      await t.agent.start("--policy", t.writePolicy({ rules }), "--events", "off");
      const result = t.act.one("open-preempting", `${t.dir()}/secret`, "40", "4000");
      const opened = Number(/^opened=(\d+) refused=\d+$/.exec(result)?.[1]);
      check(!Number.isNaN(opened), `no counts: ${result}`);
      if (opened === 0) return;
      check(t.guest.backend === "fmod_ret", `${opened} of 4000 opens went through`);
      check(await skipped(t), "health does not say that the kernel skipped decisions");
      throw new Skip(PREEMPTED);
    },
  },
]);

/**
 * Runs movers for as long as a process beside them tries to read the file under each of its names. What they put there
 * says the same, so whatever stands at a name is worth reading. With an agent of its own: health would name what was
 * skipped to all later cases.
 */
async function race(
  t: Context,
  seconds: number,
  path: string,
  names: readonly string[],
  movers: readonly (readonly string[])[],
): Promise<void> {
  const ms = String(seconds * 1000);
  await t.agent.start(
    ...["--policy", t.writePolicy({ rules: [{ id: t.ruleId(), paths: [path], deny: ["read"] }] })],
    ...["--events", "off"],
  );
  const control = t.act.one("--cgroup", t.guest.exemptCgroup, "read-secret", SECRET, "100", path);
  check(/leaks=[1-9]/.test(control), `an exempt reader reads nothing: ${control}`);
  const moving = movers.map((words) => t.act.beside("--for", ms, ...words));
  const result = await t.act.beside("read-secret", SECRET, ms, ...names);
  const moved = (await Promise.all(moving)).join("; ");
  const [refused, leaks] = ["refused", "leaks"].map((word) =>
    Number(new RegExp(`${word}=(\\d+)`).exec(result)?.[1])
  );
  if (leaks !== 0 && await skipped(t)) throw new Skip(PREEMPTED);
  check(leaks === 0 && Number(refused) > 100, `what was read: ${result}; what was moved: ${moved}`);
}

/** Whether health says that the kernel skipped decisions. */
async function skipped(t: Context): Promise<boolean> {
  if (t.guest.backend !== "fmod_ret") return false;
  const { health } = await t.agent.asked(8000);
  return health.checks.some((one: { name: string; ok: boolean }) => one.name === "skipped" && !one.ok);
}
