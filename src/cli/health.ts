/**
 * `aegisbpf health`: what the host gets right now, proved rather than recalled; contract section 7.
 *
 * @module
 */
import type { HealthReport } from "../agent/api.ts";
import { type Degradation, reasonText } from "../agent/degradation.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import type { Locations } from "../agent/locations.ts";
import { AgentClient, AgentError } from "./client.ts";
import type { Context } from "./context.ts";
import { CommandError } from "./failure.ts";
import { healthText, type HealthView } from "./health_view.ts";
import { jsonText } from "./output.ts";
import type { Pinned } from "./pinned.ts";
import type { CanarySeen } from "./unattended.ts";

/** Options of the command. */
export interface HealthOptions {
  readonly json?: boolean | undefined;
  /** Anything but posture enforce is unhealthy. */
  readonly requireEnforce?: boolean | undefined;
}

/** How the command looks at the host. */
export interface HealthProbes {
  tryCanary(path: string): Promise<CanarySeen>;
  readPinned(root: string): Promise<Pinned>;
}

/**
 * Prints the report.
 *
 * @returns `Done` only if everything that the report claims was seen just now.
 * @throws {CommandError} with `Usage` if it cannot be told.
 */
export async function health(
  options: HealthOptions,
  { output, locations }: Pick<Context, "output" | "locations">,
  probes: HealthProbes = hostProbes,
): Promise<ExitCode> {
  const asked = await look(locations(), probes);
  const view = options.requireEnforce ? withEnforceRequired(asked) : asked;
  output.out(options.json ? jsonText(view) : healthText(view, output.style));
  return view.ok ? ExitCode.Done : ExitCode.No;
}

const hostProbes: HealthProbes = {
  tryCanary: async (path) => (await import("../kernel/canary.ts")).tryCanary(path),
  readPinned: async (root) => (await import("./pinned.ts")).readPinned(root),
};

/** `health` must answer within a second, its own start and the look at the pins included. */
const ANSWER_MS = 700;
const ANSWER_BYTES = 1024 * 1024;

async function look(places: Locations, probes: HealthProbes): Promise<HealthView> {
  try {
    using client = new AgentClient(places.socket);
    const bounds = { timeoutMs: ANSWER_MS, maxBytes: ANSWER_BYTES };
    return await withOwnLook(await client.get<HealthReport>("/v1/health", bounds), probes);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    if (error.kind === "forbidden") throw cannotTell(error.message);
    return await lookWithoutAgent(error, places, probes);
  }
}

/** Adds what this command saw itself: the agent's word is no proof. */
async function withOwnLook(report: HealthReport, probes: HealthProbes): Promise<HealthView> {
  const { canary, ...view } = report;
  if (view.posture === "off") return { ...view, ok: false };
  if (view.posture !== "enforce") return view;
  const seen: CanarySeen = canary === undefined
    ? { reason: "the agent named none" }
    : await probes.tryCanary(canary);
  const { canaryDetail } = await import("./unattended.ts");
  const refused = seen === "refused";
  const check = { name: "canary_by_command", ok: refused, detail: canaryDetail(seen) };
  const checks = [...view.checks, check];
  if (refused) return { ...view, checks };
  if (seen !== "opened") {
    return {
      ...view,
      ok: false,
      checks,
      ...withReason(view, { code: "canary_failed", detail: `the canary cannot be tried: ${check.detail}` }),
    };
  }
  const detail = `the agent claims enforce, but its canary ${canary} ${check.detail}`;
  return {
    ...view,
    ok: false,
    posture: "off",
    checks,
    ...withReason(view, { code: "canary_failed", detail }),
  };
}

function withReason(
  { reasons, degradations = [] }: HealthView,
  added: Degradation,
): Pick<HealthView, "reasons" | "degradations"> {
  return { reasons: [...reasons, reasonText(added)], degradations: [...degradations, added] };
}

async function lookWithoutAgent(
  error: AgentError,
  places: Locations,
  probes: HealthProbes,
): Promise<HealthView> {
  const [pinned, { lsmList, kernelRelease }, { unattendedReport }] = await Promise.all([
    probes.readPinned(places.pins),
    import("../kernel/host.ts"),
    import("./unattended.ts"),
  ]);
  if (pinned.kind === "unknown") {
    throw cannotTell(`${error.message.split(";")[0]}, and the pins cannot be looked at: ${pinned.reason}`);
  }
  const canary = pinned.kind === "none" ? "opened" : await probes.tryCanary(places.canary);
  const kernel = { release: kernelRelease(), lsm: lsmList() ?? [] };
  const stopReason = pinned.kind === "complete" && pinned.stopped_s > 0
    ? (await import("../agent/emergency_record.ts")).lastReason(places.state)
    : undefined;
  return unattendedReport({ why: error.message, pinned, canary, kernel, stopReason });
}

function withEnforceRequired(view: HealthView): HealthView {
  if (view.posture === "enforce") return view;
  const reason = `posture ${view.posture}, and --require-enforce asks for enforce`;
  return { ...view, ok: false, reasons: [...view.reasons, reason] };
}

function cannotTell(message: string): CommandError {
  return new CommandError(ExitCode.Usage, `cannot tell: ${message}`);
}
