/** Opens in the midst of others. */

import { type Case, category, check, Skip } from "../guest/case.ts";

/** The cases of `race`. */
export const races: Case[] = category("race", [
  {
    name: "opens that preempt others in the program",
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
      const health = await t.agent.json(1, "health", "--json");
      const named = health.checks.some((one: { name: string; ok: boolean }) =>
        one.name === "skipped" && !one.ok
      );
      check(named, "health does not say that the kernel skipped decisions");
      throw new Skip("the kernel skips a fmod_ret program in which another task was preempted");
    },
  },
]);
