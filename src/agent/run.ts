/**
 * `aegisbpf run`: from nothing, or from what an earlier agent left in the kernel, to a running agent.
 *
 * @module
 */
import { raiseMemlockLimit, SystemError } from "../../ffi/libc.ts";
import { type Backend, BACKENDS, canEnforce } from "../kernel/backend.ts";
import { bringUp, type BroughtUp, NoBackendError, SchemaError } from "../kernel/bring_up.ts";
import { ensureCanary } from "../kernel/canary.ts";
import { BpffsError, chargesLockedMemory, ensureBpffs } from "../kernel/host.ts";
import { Pins } from "../kernel/pins.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";
import type { Mode } from "../policy/model.ts";
import { wantsEnforce, withMode } from "../policy/mode.ts";
import { parsePolicy } from "../policy/parse.ts";
import { formatProblem } from "../policy/problem.ts";
import { PolicyFileError } from "../policy/read.ts";
import { Agent } from "./agent.ts";
import { readBackendNote, writeBackendNote } from "./backend_note.ts";
import { readConfig } from "./config.ts";
import { serveControl } from "./control_server.ts";
import { recordFolder } from "../events/record_files.ts";
import { EventOutlets } from "./event_outlets.ts";
import { openEventSink, openRecorder } from "./event_sink.ts";
import { fileRefusal } from "./file_refusal.ts";
import { runFollower, type Watched } from "./follower.ts";
import { HandRules } from "./hand_rules.ts";
import { postureOf } from "./health.ts";
import { InstanceLock } from "./instance_lock.ts";
import { LineWriter } from "./line_writer.ts";
import { type Locations, locations } from "./locations.ts";
import type { MetricsAddress } from "./metrics_address.ts";
import type { MetricsServer } from "./metrics_server.ts";
import { ServiceManager } from "./notify.ts";
import { PolicyStore } from "./policy_store.ts";
import { keepTrim } from "./trim_memory.ts";
import { Provenance } from "./provenance.ts";
import { Refusal } from "./refusal.ts";
import { Succession } from "./succession.ts";
import { readSignedFile, type SignedFile } from "./signed_file.ts";
import { planStart } from "./start_plan.ts";
import { VERSION } from "./version.ts";

/** Options of `run`; contract section 3. */
export interface RunOptions {
  /** Policy file; by default the last good policy, else `/etc/aegisbpf/policy.yaml`. */
  readonly policy?: string;
  /** Overrides the policy's mode. */
  readonly mode?: Mode;
  /** Forces one backend. */
  readonly backend?: Backend;
  /** What to do when the policy asks to enforce and no backend can. */
  readonly fallback: "audit" | "refuse";
  /** `-`, `off`, `journal` or a file. */
  readonly events: string;
  /** Bytes of events that are kept in the state directory; 0: none. */
  readonly record: number;
  /** Where Prometheus is answered; undefined: nowhere. */
  readonly metrics?: MetricsAddress;
  /** Takes everything out of the kernel at the end. */
  readonly detachOnExit: boolean;
}

/**
 * Runs until SIGTERM or SIGINT.
 *
 * @returns The exit code; contract section 3.
 */
export async function runAgent(options: RunOptions): Promise<number> {
  const log = new LineWriter(Deno.stderr);
  try {
    return await run(options, (line) => log.write(`aegisbpf: ${line}`));
  } catch (error) {
    const refusal = asRefusal(error);
    if (refusal === undefined) throw error;
    for (const problem of refusal.problems) log.write(formatProblem(problem));
    log.write(`aegisbpf: ${refusal.message}`);
    return refusal.exit;
  } finally {
    await log.flush(FLUSH_MS);
  }
}

/** Whoever stops the agent waits for its events so long, and for its log: less than a second in all. */
const FLUSH_MS = 300;

async function run(options: RunOptions, log: (line: string) => void): Promise<number> {
  Deno.umask(0o077);
  const places = locations();
  using _lock = InstanceLock.take(places);
  useShippedLibbpf();
  raiseLimit(log);
  ensureBpffs(places.pins);
  Deno.mkdirSync(places.state, { recursive: true, mode: 0o700 });
  const store = new PolicyStore(places.state, log);
  const pins = new Pins(places.pins);
  const provenance = new Provenance(places, readConfig(places.config));
  const plan = planStart(options.policy, { locations: places, store, pins, provenance });
  if (plan.source) provenance.admit(plan.source, plan.standing);
  const refused = provenance.byHandRefused;
  const hand = new HandRules({ state: places.state, mode: options.mode, refused });
  const enforce = (plan.source !== undefined && asksToEnforce(plan.source, options)) || hand.wantsEnforce;
  const outlets = new EventOutlets([
    await openEventSink(options.events),
    options.record === 0 ? undefined : openRecorder(recordFolder(places.state), options.record),
  ]);
  using metrics = await openMetrics(options.metrics);
  ensureCanary(places.canary);
  const up = await bringUpFor(options, { pins, places, enforce, log });
  using _state = up.state;
  using succession = up.beside && new Succession(up.beside, up.state, log);
  const mode = options.mode === undefined ? {} : { mode: options.mode };
  const applies = metrics?.applies;
  const manager = new ServiceManager();
  const agent = new Agent({
    up,
    pins,
    store,
    locations: places,
    version: VERSION,
    hand,
    provenance,
    outlets,
    succession,
    log,
    applies,
    alive: (agent) => manager.alive(statusOf(agent)),
    ...mode,
  });
  try {
    agent.start(plan);
  } catch (error) {
    succession?.goOn();
    if (up.origin === "created") pins.removeOwn();
    throw error;
  }
  await succession?.finish(agent);
  pins.removeOthers();
  announce(agent, up, log);
  await serveUntilSignal(agent, { places, options, metrics, manager, log });
  for (const line of await outlets.close(FLUSH_MS)) log(line);
  if (options.detachOnExit) pins.remove();
  return 0;
}

function asksToEnforce({ bytes, file }: SignedFile, { mode }: RunOptions): boolean {
  const parsed = parsePolicy(bytes, file);
  if (!parsed.ok) throw new Refusal(4, `${file} is not a valid policy`, parsed.problems);
  return wantsEnforce(withMode(parsed.policy, mode));
}

async function bringUpFor(
  { backend, fallback }: RunOptions,
  { pins, places, enforce, log }: {
    readonly pins: Pins;
    readonly places: Locations;
    readonly enforce: boolean;
    readonly log: (line: string) => void;
  },
): Promise<BroughtUp> {
  const asked = backend === undefined ? BACKENDS : [backend];
  const candidates = enforce && fallback === "refuse" ? asked.filter(canEnforce) : asked;
  try {
    const up = await bringUp({ pins, canary: places.canary, candidates });
    for (const note of up.notes) log(note);
    if (up.origin === "adopted") return { ...up, rejected: readBackendNote(places, up.state.backend) };
    writeBackendNote(places, { backend: up.state.backend, rejected: up.rejected });
    return up;
  } catch (error) {
    if (!(error instanceof NoBackendError)) throw error;
    for (const { backend, reason } of error.rejected) log(`backend ${backend} does not work here: ${reason}`);
    const left = pins.find().kind === "none" ? "nothing is attached" : "what was in force stays";
    throw new Refusal(
      3,
      enforce
        ? `refused to start: the policy asks to enforce and this host cannot; ${left} ` +
          "(--fallback audit would report without refusing)"
        : `refused to start: no backend works on this host; ${left}`,
    );
  }
}

function announce(agent: Agent, { origin }: BroughtUp, log: (line: string) => void): void {
  agent.degradation.look();
  log(`${statusOf(agent)}, ${origin}, pid ${Deno.pid}`);
}

/** What holds, in one line for `systemctl status`. */
function statusOf({ engine, state }: Agent): string {
  const { policy } = engine.current ?? {};
  const what = policy
    ? `${policy.rules.length} rules of ${policy.name} (serial ${policy.serial})`
    : "no policy yet";
  return `${postureOf(state, engine)}: ${what}, by ${state.backend}`;
}

async function serveUntilSignal(
  agent: Agent,
  { places, options, metrics, manager, log }: {
    readonly places: Locations;
    readonly options: RunOptions;
    readonly metrics: MetricsServer | undefined;
    readonly manager: ServiceManager;
    readonly log: (line: string) => void;
  },
): Promise<void> {
  const abort = new AbortController();
  const server = serveControl(agent, places.socket, abort.signal);
  const scraped = metrics?.serve(agent, abort.signal);
  if (metrics) log(`metrics at ${metrics.url}`);
  const stop = () => {
    manager.stopping();
    agent.stop();
  };
  const reload = async () => {
    manager.reloading();
    try {
      const reread = () => agent.reload(readSignedFile(options.policy ?? places.policy));
      const { applied } = await agent.writer.run(reread);
      if (!applied) log("reload: the policy is the one in force");
    } catch (error) {
      const refusal = asRefusal(error);
      if (refusal === undefined) throw error;
      for (const problem of refusal.problems) log(formatProblem(problem));
      log(`reload refused, the policy in force stays: ${refusal.message}`);
    } finally {
      manager.ready(statusOf(agent));
    }
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, stop);
  Deno.addSignalListener("SIGHUP", reload);
  const following = runFollower({
    follow: () => agent.follow(),
    signal: abort.signal,
    ...(agent.mustPoll ? { watched: watchedBy(agent) } : {}),
  });
  // Whoever waited for this may ask the control socket now.
  manager.ready(statusOf(agent));
  keepTrim(() => agent.engine.current?.generation, abort.signal);
  try {
    await agent.run();
  } finally {
    for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.removeSignalListener(signal, stop);
    Deno.removeSignalListener("SIGHUP", reload);
    abort.abort();
    await Promise.all([server.finished, scraped?.finished, following]);
  }
}

/** What is to be watched where the kernel side tells of no changes. */
function watchedBy({ state, engine }: Agent): Watched {
  return {
    observe: (entered) => state.identities.entered = entered,
    needsMore: () => {
      const { scopes = [], allow } = engine.current?.policy ?? {};
      return scopes.length + engine.extra.scopes.length + (allow?.cgroups.length ?? 0) > 0;
    },
  };
}

/** Loads what metrics need only where they are wanted. */
async function openMetrics(address: MetricsAddress | undefined): Promise<MetricsServer | undefined> {
  if (address === undefined) return undefined;
  const { MetricsServer } = await import("./metrics_server.ts");
  return new MetricsServer(address);
}

/** Until 5.10 maps count against the limit on locked memory; later kernels do not ask for this. */
function raiseLimit(log: (line: string) => void): void {
  try {
    raiseMemlockLimit();
  } catch (error) {
    if (!(error instanceof SystemError && error.code === "EPERM")) throw error;
    if (chargesLockedMemory()) {
      log(
        "cannot lift the limit on locked memory, which maps count against on this kernel: see aegisbpf doctor",
      );
    }
  }
}

/** Expected failures as refusals; undefined for what is a defect. */
function asRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (error instanceof PolicyFileError) return fileRefusal(error);
  if (error instanceof BpffsError || error instanceof SchemaError) return new Refusal(3, error.message);
  return undefined;
}
