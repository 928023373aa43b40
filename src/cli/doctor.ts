/**
 * `aegisbpf doctor`: what this host can do, what is missing, and the commands that mend it.
 *
 * @module
 */
import { ExitCode } from "../agent/exit_codes.ts";
import type { Locations } from "../agent/locations.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { everywhere, type Finding, HostFiles } from "./doctor_finding.ts";
import { doctorText, familyOf } from "./doctor_view.ts";
import { jsonText } from "./output.ts";

/** `doctor --json`. */
export interface DoctorReport {
  /** Whether nothing failed. */
  readonly ok: boolean;
  readonly kernel: string;
  readonly checks: readonly Finding[];
}

/** Adds the command. */
export function addDoctor(parent: Parent, context: Context): void {
  const command = parent.command("doctor")
    .summary("tell what this host can do, and how to mend what it cannot")
    .description(
      "Looks at what the agent needs of the kernel and the host, and prints the exact commands that mend what is " +
        "missing, for Ubuntu and for RHEL. As root it attaches each backend for a moment, to see whether it refuses. " +
        "It needs no agent and changes nothing. Exit code 0: nothing failed; 1: something did.",
    )
    .option(...JSON_OPTION)
    .action(async ({ json }) => {
      const host = new HostFiles();
      const checks = await findings(host, context.locations());
      const report: DoctorReport = {
        ok: checks.every(({ state }) => state !== "fail"),
        kernel: host.release,
        checks,
      };
      const family = familyOf(host.read("/etc/os-release") ?? "");
      context.output.out(json ? jsonText(report) : doctorText(report, family, context.output.style));
      context.exit = report.ok ? ExitCode.Done : ExitCode.No;
    });
  withExamples(command, [[
    "aegisbpf doctor --json | jq '.checks[] | select(.state != \"ok\")'",
    "what is not well",
  ]]);
}

async function findings(host: HostFiles, places: Locations): Promise<Finding[]> {
  const [{ kernelFindings }, { hostFindings }, { readPinned }, { useShippedLibbpf }] = await Promise.all([
    import("./doctor_kernel.ts"),
    import("./doctor_host.ts"),
    import("./pinned.ts"),
    import("../kernel/shipped_libbpf.ts"),
  ]);
  useShippedLibbpf();
  return [
    ...kernelFindings(host),
    Deno.uid() === 0 ? await backendsFinding() : NOT_TRIED,
    ...hostFindings(host, places, readPinned(places.pins)),
  ];
}

const NOT_TRIED: Finding = {
  name: "backends",
  state: "warn",
  found: "not tried: only root can attach programs",
  why: "an attach alone proves nothing: whether this host can refuse is seen when a program has refused",
  mend: everywhere("sudo aegisbpf doctor"),
};

/** Attaches each backend, over a canary of its own. */
async function backendsFinding(): Promise<Finding> {
  const [{ tryBackends }, { canEnforce }, { ensureCanary }] = await Promise.all([
    import("../kernel/bring_up.ts"),
    import("../kernel/backend.ts"),
    import("../kernel/canary.ts"),
  ]);
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-doctor-" });
  try {
    const canary = `${folder}/canary`;
    ensureCanary(canary);
    const tried = tryBackends(canary);
    const best = tried.find(({ reason }) => reason === undefined)?.backend;
    return {
      name: "backends",
      state: best === undefined || !canEnforce(best) ? "fail" : "ok",
      found: tried.map(({ backend, reason }) => `${backend}: ${reason ?? "works"}`).join("; "),
      why: best === undefined
        ? "none works: there is neither refusal nor report, for the reasons above"
        : canEnforce(best)
        ? `each was attached and a canary opened; ${best} is what the agent takes`
        : `${best} only reports: on this host nothing can be refused, for the reasons above`,
    };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
