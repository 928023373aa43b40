/**
 * Holding a policy against what was opened: for `policy simulate`, and for the dry run of `policy apply`.
 *
 * @module
 */
import { LibbpfError } from "../../ffi/library.ts";
import { SystemError } from "../../ffi/libc.ts";
import { BpfLoadError } from "../../ffi/load_error.ts";
import type { ListCaller } from "../agent/access_log.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import { Refusal } from "../agent/refusal.ts";
import type { Simulation } from "../agent/simulation.ts";
import type { SimulationReport, SimulationSummary } from "../agent/simulation_report.ts";
import type { Policy } from "../policy/model.ts";
import { CommandError } from "./failure.ts";

/**
 * Holds a policy against the lines of a log.
 *
 * @param file Where the policy is from, for messages.
 * @param caller Who opens the files of a list of paths.
 * @throws {CommandError} if files cannot be looked at as the kernel does, or the caller or policy is not to be found.
 */
export async function simulate(
  policy: Policy,
  file: string,
  log: AsyncIterable<Uint8Array>,
  caller: ListCaller,
): Promise<SimulationReport> {
  const [{ linesOf, readLogLine }, { findCaller }, { Simulation }, { SimulationSummary }, { cgroupRoot }] =
    await Promise.all([
      import("../agent/access_log.ts"),
      import("../agent/explain_subject.ts"),
      import("../agent/simulation.ts"),
      import("../agent/simulation_report.ts"),
      import("../kernel/host.ts"),
    ]);
  using teller = await loadTeller();
  const { identities } = teller;
  refusing("the caller", () => findCaller(identities, cgroupRoot(), { ...caller, uid: String(caller.uid) }));
  const simulation = refusing(file, () => new Simulation(policy, identities, cgroupRoot()));
  const summary = new SimulationSummary();
  for await (const { number, bytes } of linesOf(log)) {
    summary.addLine();
    const line = bytes
      ? readLogLine(bytes, caller)
      : { kind: "bad", reason: "the line is too long" } as const;
    if (line.kind === "access") judge(simulation, line.access, number, summary);
    else if (line.kind === "bad") summary.addBad(number, line.reason);
  }
  return summary.report();
}

/**
 * Holds a policy against what the agent recorded since a time; undefined where nothing was recorded.
 *
 * @param state The agent's state folder.
 * @param sinceMs Milliseconds of Unix time.
 * @throws {CommandError} as {@linkcode simulate}.
 */
export async function simulateRecorded(
  policy: Policy,
  file: string,
  state: string,
  sinceMs: number,
): Promise<SimulationReport | undefined> {
  const { recordFolder } = await import("../events/record_files.ts");
  const { parseEvent, RecordedLines } = await import("../events/recorded.ts");
  using recorded = new RecordedLines(recordFolder(state), { sinceMs });
  const lines = wanted();
  const first = lines.next();
  if (first.done) return undefined;
  const encoder = new TextEncoder();
  return await simulate(policy, file, stream(first.value), { op: "read", uid: 0, cgroup: "/" });

  function* wanted(): Generator<string> {
    try {
      for (const line of recorded.take()) {
        const event = parseEvent(line);
        if (event !== undefined && Date.parse(event.time) >= sinceMs) yield line;
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async function* stream(line: string): AsyncGenerator<Uint8Array> {
    yield encoder.encode(`${line}\n`);
    for (const next of lines) yield encoder.encode(`${next}\n`);
  }
}

function judge(
  simulation: Simulation,
  access: Parameters<Simulation["judge"]>[0],
  line: number,
  summary: SimulationSummary,
): void {
  try {
    summary.add(access, simulation.judge(access));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    summary.addBad(line, error.message);
  }
}

async function loadTeller() {
  const [{ Teller }, { useShippedLibbpf }] = await Promise.all([
    import("../kernel/teller.ts"),
    import("../kernel/shipped_libbpf.ts"),
  ]);
  try {
    useShippedLibbpf();
    return new Teller();
  } catch (error) {
    if (!UNLOADED.some((kind) => error instanceof kind)) throw error;
    const reason = reasonOf(error).split("\n")[0];
    throw new CommandError(
      ExitCode.Usage,
      `cannot ask the kernel what files are to it; run this as root (${reason})`,
    );
  }
}

const UNLOADED = [BpfLoadError, SystemError, LibbpfError];

/** What a refusal is about is told before its message. */
function refusing<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new CommandError(
      error.exit === ExitCode.InvalidPolicy ? ExitCode.InvalidPolicy : ExitCode.Usage,
      `${what}: ${error.message}`,
    );
  }
}

/** The message of anything that was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
