/** Backends that cannot decide: the agent refuses or goes on in audit, as it was told, and says so. */

import { type Case, category, check, type Context, equal, Skip } from "../guest/case.ts";

const ARM64 = ["6.12-arm64", "6.1-arm64"];

/** Nothing of the agent is in the kernel. */
function nothingAttached(t: Context): void {
  let pins: string[] = [];
  try {
    pins = [...Deno.readDirSync(t.agent.pins)].map((entry) => entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  equal(pins.join(), "", "pins left behind");
  equal(t.act.one("open-read", `${t.dir()}/secret`), "ok", "the file that the policy denies");
}

function policy(t: Context): string {
  const secret = t.file(`${t.dir()}/secret`);
  return t.writePolicy({ rules: [{ id: t.ruleId(), paths: [secret] }] });
}

const degraded = (backend: "fentry" | "tracepoint") => ({
  name: `${backend} audits and says that it cannot enforce`,
  phases: [backend],
  run: async (t: Context) => {
    const { health } = await t.agent.asked(30_000);
    equal(health.posture, "degraded", "posture");
    equal(health.backend, backend, "backend");
    check(health.reasons.length > 0, "no reason is given");
    equal((await t.agent.run("health", "--require-enforce")).code, 1, "exit of --require-enforce");
    const failed = health.checks.filter((one: { ok: boolean }) => !one.ok).map((one: { name: string }) =>
      one.name
    );
    if (failed.join() === "skipped") {
      throw new Skip(`the kernel skips a ${backend} program in which another task was preempted`);
    }
    equal(failed.join(), "", "checks that failed");
  },
});

/** How the kernel preempts, as debugfs says it; undefined where there is only one model. */
function modelNow(): string | undefined {
  const path = "/sys/kernel/debug/sched/preempt";
  const read = () => /\((\w+)\)/.exec(Deno.readTextFileSync(path))?.[1];
  try {
    return read();
  } catch {
    new Deno.Command("mount", { args: ["-t", "debugfs", "debugfs", "/sys/kernel/debug"] }).outputSync();
  }
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The cases of `fallback`. */
export const fallback: Case[] = category("fallback", [
  {
    name: "it is said where this kernel can leave out programs that it preempts, without debugfs",
    kernels: ["5.10", "6.1", "6.12", "7.3", "6.12-arm64"],
    run: async (t) => {
      const { health } = await t.agent.asked(30_000);
      const [major = 0, minor = 0] = t.guest.release.split(".").map(Number.parseFloat);
      const exposed = t.guest.backend === "fmod_ret" || major < 6 || (major === 6 && minor < 2);
      const model = modelNow();
      const codes = (health.degradations ?? []).map(({ code }: { code: string }) => code);
      const expected = exposed && (model === "full" || model === "lazy");
      equal(codes.includes("preemption_possible"), expected, `the warning, where preemption is ${model}`);
    },
  },
  degraded("fentry"),
  degraded("tracepoint"),
  ...(["fentry", "tracepoint"] as const).map((backend) => ({
    name: `--backend ${backend} --fallback refuse attaches nothing`,
    phases: ["alone" as const],
    kernels: [...(backend === "fentry" ? ["5.10-bpf", "6.12-none"] : ["6.1-none", "7.3-bpf"]), ...ARM64],
    run: async (t: Context) => {
      await t.agent.expect(
        3,
        ...["run", "--policy", policy(t), "--backend", backend, "--fallback", "refuse"],
        ...["--events", "off"],
      );
      nothingAttached(t);
    },
  })),
  {
    name: "--backend lsm is taken only where the kernel asks it",
    phases: ["alone"],
    // With `bpf` in the list it is the one that the agent chooses by itself, in all other cases.
    kernels: ["5.10-none", "6.1-none", "6.12-none", "7.3-none", "7.3-bpf", ...ARM64],
    run: async (t) => {
      const words = [
        "--policy",
        policy(t),
        "--backend",
        "lsm",
        "--fallback",
        "refuse",
        "--events",
        "off",
      ];
      if (t.guest.backend === "lsm") {
        await t.agent.start(...words);
        equal(t.act.one("open-read", `${t.dir()}/secret`), "EPERM", "the denied file");
        return;
      }
      await t.agent.expect(3, "run", ...words);
      nothingAttached(t);
    },
  },
  {
    name: "--backend fmod_ret enforces with bpf in the LSM list, too",
    phases: ["alone"],
    // Without it, it is the one that the agent chooses by itself, in all other cases.
    kernels: ["5.10-bpf", "6.1-bpf", "6.12-bpf", "7.3-bpf", "6.12-arm64-bpf"],
    run: async (t) => {
      await t.agent.start(
        "--policy",
        policy(t),
        "--backend",
        "fmod_ret",
        "--events",
        "off",
      );
      equal(t.act.one("open-read", `${t.dir()}/secret`), "EPERM", "the denied file");
      equal((await t.agent.health()).backend, "fmod_ret", "backend");
    },
  },
  {
    name: "without BPF trampolines it reports, and names each backend that does not work and why",
    phases: ["alone"],
    kernels: ["6.1-arm64"],
    run: async (t) => {
      const words = ["--policy", policy(t), "--events", "off"];
      const refused = await t.agent.expect(3, "run", ...words, "--fallback", "refuse");
      nothingAttached(t);
      await t.agent.start(...words);
      const { health } = await t.agent.asked(30_000);
      equal(health.posture, "degraded", "posture");
      for (const backend of ["lsm", "fmod_ret", "fentry"]) {
        const reason = new RegExp(
          `backend ${backend} .*operation not supported by this kernel \\(ENOTSUPP\\)`,
        );
        if (backend !== "fentry") {
          check(reason.test(refused.stderr), `no reason for ${backend}: ${refused.stderr}`);
        }
        check(
          health.reasons.some((one: string) => reason.test(one)),
          `no reason for ${backend}: ${health.reasons}`,
        );
      }
      equal((await t.agent.run("health", "--require-enforce")).code, 1, "exit of --require-enforce");
      equal(t.act.one("open-read", `${t.dir()}/secret`), "ok", "the file that the policy denies");
      const { checks } = await t.agent.json(1, "doctor", "--json");
      const trampolines = checks.find((one: { name: string }) => one.name === "trampolines");
      check(
        /direct calls \(arm64 before 6.4\)/.test(trampolines?.found),
        `doctor says ${JSON.stringify(trampolines)}`,
      );
    },
  },
]);
