/**
 * The running agent: owns the kernel side, answers the control socket, reports events.
 *
 * @module
 */
import { bootTimeNs, bootTimeOffsetNs } from "../../ffi/clock.ts";
import { RingBuffer } from "../../ffi/ring_buffer.ts";
import { decodeRecord, type KernelRecord, RecordError } from "../events/decode.ts";
import type { DecisionEvent } from "../events/event.ts";
import { Reporter, type ReporterContext } from "../events/reporter.ts";
import { backendNumber } from "../kernel/backend.ts";
import { identityText } from "../kernel/packed.ts";
import { preemptionOf } from "../kernel/preemption.ts";
import type { KernelState, Maps } from "../kernel/state.ts";
import { Anchor } from "../kernel/anchor.ts";
import { targetText } from "../policy/resolve.ts";
import type {
  ApplyRequest,
  ApplyResult,
  ExplainReport,
  HealthReport,
  PolicyView,
  RollbackRequest,
  StatsReport,
} from "./api.ts";
import { DegradationLog } from "./degradation_log.ts";
import { Emergency } from "./emergency.ts";
import { EmergencyControl } from "./emergency_control.ts";
import { EmergencyRecord } from "./emergency_record.ts";
import type { AgentParts } from "./agent_parts.ts";
import { DEFAULT_CONFIG } from "./config.ts";
import { applyPlan } from "./apply_plan.ts";
import { healthOf, postureOf } from "./health.ts";
import { FlowEpochs } from "./flow_epochs.ts";
import type { EventOutlets } from "./event_outlets.ts";
import { HandControl } from "./hand_control.ts";
import { HandRules } from "./hand_rules.ts";
import { observed } from "./observed.ts";
import { OneWriter } from "./one_writer.ts";
import { PolicyEngine } from "./policy_engine.ts";
import { explain, type ExplainQuestion } from "./explain.ts";
import { Provenance } from "./provenance.ts";
import { ProveLease } from "./prove_lease.ts";
import { Refusal } from "./refusal.ts";
import { type Outcome, Rollout } from "./rollout.ts";
import type { SignedFile } from "./signed_file.ts";
import type { StartPlan } from "./start_plan.ts";
import { SeenNames } from "./seen_names.ts";
import { SetLabels } from "./set_labels.ts";
import { decisionsOf, opName, policyViewOf, statsOf, summaryOf } from "./views.ts";

/** One agent. */
export class Agent {
  readonly engine: PolicyEngine;
  readonly log: (line: string) => void;
  /** What changes the agent takes turns here. */
  readonly writer = new OneWriter();
  /** Decoys' rules beside the policy, for `prove`. */
  readonly prove: ProveLease;
  /** Rules and exemptions by hand. */
  readonly hand: HandControl;
  readonly provenance: Provenance;
  readonly emergency: EmergencyControl;
  /** What becomes of policies, and the history of it. */
  readonly rollout: Rollout;
  /** Steps down from what the policy asks for, as they come and go. */
  readonly degradation: DegradationLog;
  readonly #parts: AgentParts;
  readonly #ring: RingBuffer;
  readonly #reporter: Reporter;
  readonly #reporting: Omit<ReporterContext, "maps">;
  readonly #startedMs = performance.now();
  readonly #labels: SetLabels;
  readonly #names = new SeenNames();
  /** Records of files that came to stand at rules' places, until they are followed. */
  readonly #bound: KernelRecord[] = [];
  readonly #preemption = preemptionOf();
  #nextFollowAt = 0;
  #stopped = false;

  constructor(parts: AgentParts) {
    const { up, pins, store, locations, mode } = parts;
    const { hand = new HandRules({ state: locations.state, mode }) } = parts;
    this.#parts = parts;
    this.log = parts.log;
    this.provenance = parts.provenance ?? new Provenance(locations, DEFAULT_CONFIG);
    this.engine = new PolicyEngine({
      state: up.state,
      pins,
      store,
      locations,
      beside: hand,
      switched: () => parts.succession?.halt(),
      ...(mode === undefined ? {} : { mode }),
    });
    this.#ring = new RingBuffer(up.state.maps.records.fd);
    this.#labels = new SetLabels(up.state.control);
    this.prove = new ProveLease({
      engine: this.engine,
      installed: () => this.#labels.remember(),
      decisions: (rules) => decisionsOf(up.state, rules, this.engine.numbers),
      log: this.log,
    });
    this.rollout = new Rollout({
      engine: this.engine,
      store,
      state: locations.state,
      anchor: Anchor.open(pins.folder, up.beside),
      log: this.log,
      reverted: () => this.#labels.remember(),
      admit: (source, standing) => this.provenance.admit(source, standing),
    });
    const { history } = this.rollout;
    this.hand = new HandControl({
      hand,
      engine: this.engine,
      state: up.state,
      locations,
      installed: () => this.#labels.remember(),
      history,
      log: this.log,
    });
    const record = new EmergencyRecord(locations.state);
    const emergency = new Emergency({ control: up.state.control, record, via: "agent" });
    this.emergency = new EmergencyControl(emergency, { history, log: this.log });
    this.degradation = new DegradationLog({
      health: () => this.health(),
      policy: () => this.#labels.current,
      hint: () => `${postureOf(up.state, this.engine)} ${this.engine.current?.generation}`,
      emit: (event) => parts.outlets.emit(event),
      log: this.log,
    });
    this.#reporting = {
      ruleName: (rule) => this.engine.numbers.nameOf(rule),
      opName,
      policyOf: (generation) => this.#labels.of(generation),
      pathOf: (file) => this.#names.file(identityText(file)) ?? this.engine.pathOf(file),
      cgroupPathOf: (id) => this.#names.findCgroup(id),
      backend: backendNumber(up.state.backend),
      bootOffsetNs: bootTimeOffsetNs,
      emit: (event) => this.#emit(event),
    };
    this.#reporter = this.reporterOf(up.state.maps);
    up.state.control.agentPid = Deno.pid;
    this.#beat();
  }

  /** Drains the ring and keeps the heart beating until {@linkcode stop}. */
  async run(): Promise<void> {
    const { state } = this.#parts.up;
    const { control } = state;
    const epochs = new FlowEpochs({ state, ring: this.#ring, reporter: this.#reporter, log: this.log });
    this.#drain();
    epochs.drained();
    let swept = performance.now();
    let quiet = 0;
    while (!this.#stopped) {
      const ready = await this.#ring.wait(quiet < QUIET_LOOKS ? LOOK_MS : QUIET_LOOK_MS);
      const lookedNs = bootTimeNs();
      quiet = this.#drain() > 0 ? 0 : quiet + 1;
      this.rollout.tick();
      epochs.drained();
      this.#followBound();
      const now = performance.now();
      if (now - swept >= SWEEP_MS) {
        swept = now;
        this.#beat();
        this.hand.tick();
        this.emergency.tick();
        this.degradation.tick();
        // By the time of the look: a flow that is older has its record taken, however long following took.
        if (!epochs.swept(this.#reporter.sweep(lookedNs, control.coalesceNs))) swept = -Infinity;
      }
      // Records that come close together are cheaper to take together.
      if (ready) await new Promise((resolve) => setTimeout(resolve, BATCH_MS));
    }
    this.#drain();
    this.#reporter.sweep(bootTimeNs() + control.coalesceNs, control.coalesceNs);
  }

  /**
   * Puts the policy into force that the agent begins with.
   *
   * @throws {Refusal} 4 or 5.
   */
  start(plan: StartPlan): void {
    const outcome = observed(this.#parts.applies, () => this.rollout.start(plan));
    if (outcome) this.resultOf(outcome);
    else this.hand.startWithoutPolicy();
    // A large policy takes longer than a heart may rest.
    this.#beat();
  }

  /** A reporter of what maps counted: this agent's, or those that one of another schema left. */
  reporterOf(maps: Maps, other: Partial<ReporterContext> = {}): Reporter {
    return new Reporter({ ...this.#reporting, maps, ...other });
  }

  /**
   * Applies what the policy file holds now.
   *
   * @throws {Refusal} 4 or 5; nothing has changed then.
   */
  reload(source: SignedFile): ApplyResult {
    return this.resultOf(observed(this.#parts.applies, () => this.rollout.apply(source, {})));
  }

  /** The kernel side. */
  get state(): KernelState {
    return this.#parts.up.state;
  }

  /** Whether nothing tells of changes at the rules' places. */
  get mustPoll(): boolean {
    return this.#parts.up.state.backend === "tracepoint";
  }

  /**
   * Follows what the kernel side told: the rules at whose places files came to stand. Where directories or symbolic
   * links did, every rule may have to be followed, which takes a share of the time at most, however often that happens.
   */
  #followBound(): void {
    const rules = new Set(this.#bound.map(({ rule }) => this.engine.numbers.nameOf(rule) ?? ""));
    if (!rules.has("") && !this.engine.mustFollow) {
      if (rules.size > 0) this.follow(rules);
      return;
    }
    const started = performance.now();
    if (started < this.#nextFollowAt) return;
    this.follow();
    const now = performance.now();
    this.#nextFollowAt = now + (now - started) * FOLLOW_PAUSE;
  }

  /** Looks at what stands at the rules' places now, or at those of some rules, and reports what changed. */
  follow(rules?: ReadonlySet<string>): void {
    const bound = this.#bound.splice(0);
    const changed = this.engine.follow(rules);
    // A set that had no more room was made anew, under another generation.
    this.#labels.remember();
    const told = new Set(bound.map(({ file }) => identityText(file)));
    for (const record of bound) this.#reporter.rebound(record, this.engine.pathOf(record.file));
    for (const { identity, target, rule } of changed) {
      if (identity === undefined || told.has(identityText(identity))) continue;
      const [number = 0] = this.engine.numbers.of([rule.id]);
      this.#reporter.rebound({ file: identity, rule: number, timeNs: bootTimeNs() }, targetText(target));
    }
  }

  /** Ends {@linkcode run}; what is pinned goes on. */
  stop(): void {
    this.prove.end();
    this.#stopped = true;
    this.#ring.wake();
  }

  /** Events that an outlet lost, by outlet and reason. */
  get unwritten(): ReturnType<EventOutlets["drops"]> {
    return this.#parts.outlets.drops();
  }

  /** What `health` starts from. */
  health(): HealthReport {
    const { up, locations, version, outlets } = this.#parts;
    return healthOf({
      outlets,
      state: up.state,
      engine: this.engine,
      rollout: this.rollout,
      canary: locations.canary,
      emergency: this.emergency.view(),
      doubts: this.provenance.doubts(this.engine.current),
      preemption: this.#preemption,
      handNotes: this.hand.notes,
      rejected: up.rejected,
      startedMs: this.#startedMs,
      version,
    });
  }

  /** The policy in force, or null. */
  policy(): PolicyView | null {
    const { current } = this.engine;
    if (current === undefined) return null;
    const hand = { ...this.hand.rules(), ...this.hand.exemptions() };
    return policyViewOf(current, this.#parts.up.state, hand);
  }

  /**
   * The exact bytes of the policy in force.
   *
   * @throws {Refusal} 1 where there is none.
   */
  policySource(): Uint8Array {
    const { current } = this.engine;
    if (current === undefined) throw new Refusal(1, "No policy is in force");
    if (current.bytes.length === 0) throw new Refusal(1, "No policy is in force, only rules by hand");
    return current.bytes;
  }

  /** Exact counts. */
  stats(by?: StatsReport["by"]): StatsReport {
    return statsOf(this.#parts.up.state, {
      ruleName: (rule) => this.engine.numbers.nameOf(rule) ?? `rule-${rule}`,
      cgroupPath: (id) => this.#names.cgroup(id),
      filePath: (identity) => this.#names.file(identity),
    }, by);
  }

  /**
   * What the set in force says of an operation on a path by a caller.
   *
   * @throws {Refusal} 2 if it cannot be told.
   */
  explain(question: ExplainQuestion): ExplainReport {
    // The kernel side would settle this at the next open.
    if (this.engine.mustFollow) this.follow();
    const { up, mode } = this.#parts;
    return explain({ state: up.state, engine: this.engine, mode }, question);
  }

  /**
   * Applies a policy.
   *
   * @throws {Refusal} 4 or 5; nothing has changed then.
   */
  apply(request: Omit<ApplyRequest, "signature"> & SignedFile): ApplyResult {
    const { dry_run: dryRun = false, force = false, confirm_within_s: confirmWithinS } = request;
    const apply = () => this.rollout.apply(request, { dryRun, force, confirmWithinS });
    if (!dryRun) return this.resultOf(observed(this.#parts.applies, apply));
    const outcome = apply();
    return { ...this.resultOf(outcome), plan: applyPlan(this.engine.current, outcome.inForce) };
  }

  /**
   * Goes back to an earlier policy.
   *
   * @throws {Refusal} as {@linkcode Rollout.rollback}.
   */
  rollback({ to }: RollbackRequest): ApplyResult {
    return this.resultOf(observed(this.#parts.applies, () => this.rollout.rollback(to)));
  }

  /** What a rollout came to, for the answer, and for the log where something changed. */
  resultOf({ inForce, applied, warnings }: Outcome): ApplyResult {
    if (applied) {
      this.#labels.remember();
      const { name, serial, rules } = summaryOf(inForce);
      this.log(
        `applied policy ${name}, serial ${serial}, with ${rules} rules (generation ${inForce.generation})`,
      );
    }
    const waiting = this.rollout.waiting;
    return {
      applied,
      policy: summaryOf(inForce),
      warnings,
      ...(waiting ? { confirm_within_s: Math.ceil(waiting.remainingS) } : {}),
    };
  }

  #beat(): void {
    this.#parts.up.state.control.heartbeatNs = bootTimeNs();
    this.#parts.alive?.(this);
  }

  #drain(): number {
    const taken = this.#ring.drain((view) => {
      try {
        const record = decodeRecord(view);
        if (record.type === "bound") this.#bound.push(record);
        else this.#reporter.record(record);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        this.log(`skipped a record: ${error.message}`);
      }
    });
    this.#reporter.flush();
    return taken;
  }

  #emit(event: DecisionEvent): void {
    this.#names.remember(event);
    this.#parts.outlets.emit(event);
  }
}

/** How often the ring is looked at: the kernel side wakes the agent only when there is something to follow. */
const LOOK_MS = 50;
/** After so many looks at which there was nothing it is looked at less often: an idle agent costs what its looks cost. */
const QUIET_LOOKS = 40;
const QUIET_LOOK_MS = 500;
const SWEEP_MS = 1000;
/** After following every rule, so many times as long is left to other work. */
const FOLLOW_PAUSE = 2;
const BATCH_MS = 3;
