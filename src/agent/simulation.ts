/**
 * What a policy would do if it were in force: the kernel side's decision over a set that stays in user space, about files
 * that are on this host now.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { type Caller, decide, type Judged, type Subject } from "../kernel/decision.ts";
import { BuiltSetView } from "../kernel/built_set_view.ts";
import type { Identities } from "../kernel/identities.ts";
import { type Identity, identityText } from "../kernel/packed.ts";
import { SetBuilder, TooManyRulesError } from "../kernel/set_builder.ts";
import type { Policy, Rule } from "../policy/model.ts";
import { type Operation, OPERATIONS } from "../policy/operations.ts";
import { PolicyTooLargeError, resolvePolicy } from "../policy/resolve.ts";
import type { Access } from "./access_log.ts";
import { findSubject, type FoundSubject, HostGlance, locateCgroup } from "./explain_subject.ts";
import { Refusal } from "./refusal.ts";

/** What the policy would make of an access. */
export interface Outcome {
  readonly says: "deny" | "audit" | "nothing";
  /** The rule that decides; undefined where none does. */
  readonly rule?: Rule;
  /**
   * What the file was found by. `file`: it stands where the access says. `place`: nothing stands there now. `replaced`:
   * another file does, or none, so it was judged by that place and as the file that it was. `identity`: its path names
   * something else here, as that of a container does, so it was judged as the file that it was, without the directories
   * above it.
   */
  readonly by: "file" | "place" | "replaced" | "identity";
}

/** A candidate policy, ready to judge. */
export class Simulation {
  readonly #policy: Policy;
  readonly #view: BuiltSetView;
  readonly #identities: Identities;
  readonly #cgroups: string | undefined;
  readonly #glance = new HostGlance();
  readonly #executables = new Recent<Identity | undefined>();
  readonly #callersCgroups = new Recent<Pick<Caller, "cgroups" | "missing">>();

  /**
   * Resolves the policy on this host.
   *
   * @param cgroups Where the cgroup2 hierarchy is mounted.
   * @throws {Refusal} 4 if it does not fit into the kernel side.
   */
  constructor(policy: Policy, identities: Identities, cgroups: string | undefined) {
    this.#policy = policy;
    this.#identities = identities;
    this.#cgroups = cgroups;
    const builder = new SetBuilder();
    try {
      // The rules' numbers are their names in the kernel; here their positions do.
      resolvePolicy(policy, builder, { identities, cgroups, numbers: () => [] });
    } catch (error) {
      if (!(error instanceof TooManyRulesError || error instanceof PolicyTooLargeError)) throw error;
      throw new Refusal(4, error.message);
    }
    this.#view = new BuiltSetView(builder.build());
  }

  /**
   * Judges an access.
   *
   * @throws {Refusal} 2 if it cannot be told what its file or caller is.
   */
  judge(access: Access): Outcome {
    const { subjects, by } = this.#subjects(access);
    const caller = this.#caller(access);
    const op = OPERATIONS.indexOf(access.op);
    const deciding = subjects.flatMap((subject) => decide(this.#view, subject, op, caller).deciding ?? []);
    const judged = deciding.find(({ says }) => says === "deny") ?? deciding[0];
    if (judged === undefined) return { says: "nothing", by };
    const rule = this.#ruleOf(judged);
    return { says: judged.says, by, ...(rule ? { rule } : {}) };
  }

  #ruleOf({ index }: Judged): Rule | undefined {
    return this.#policy.rules[index];
  }

  #subjects({ path, file, op }: Access): { subjects: readonly Subject[]; by: Outcome["by"] } {
    const found = path === undefined ? undefined : this.#find(path, op, file !== undefined);
    if (file === undefined) {
      if (found === undefined) throw new Refusal(2, "Expected a path or a file");
      return { subjects: [found.subject], by: found.subject.file ? "file" : "place" };
    }
    const { subject } = found ?? {};
    if (subject && [subject.file, subject.behind].some((here) => same(here, file))) {
      return { subjects: [subject], by: "file" };
    }
    const itself = { file, above: [] };
    // On another device the path cannot be that of the file that was opened: it is one of another mount namespace.
    return subject?.above[0]?.dev === file.dev
      ? { subjects: [subject, itself], by: "replaced" }
      : { subjects: [itself], by: "identity" };
  }

  #find(path: string, op: Operation, mayFail: boolean): FoundSubject | undefined {
    try {
      return findSubject(this.#identities, path, op, this.#glance);
    } catch (error) {
      if (mayFail && error instanceof Refusal) return undefined;
      throw error;
    }
  }

  /** An executable that is not reached here is none that a rule names. */
  #identityOf(exe: string): Identity | undefined {
    try {
      return this.#identities.of(exe)?.identity;
    } catch (error) {
      if (error instanceof SystemError) return undefined;
      throw error;
    }
  }

  #caller({ uid, exe, cgroup }: Access): Caller {
    const running = exe === undefined ? undefined : this.#executables.get(exe, () => this.#identityOf(exe));
    const where = this.#callersCgroups.get(cgroup, () => {
      const { there, missing } = locateCgroup(this.#cgroups, cgroup);
      return { cgroups: there.map(({ id }) => id), missing };
    });
    return { uid, ...where, ...(running ? { exe: running } : {}) };
  }
}

/** The answers to the questions that were asked last. */
class Recent<T> {
  readonly #known = new Map<string, T>();

  get(key: string, ask: () => T): T {
    const known = this.#known.get(key);
    if (known !== undefined || this.#known.has(key)) return known as T;
    const answer = ask();
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(key, answer);
    return answer;
  }
}

const MAX_KNOWN = 4096;

function same(one: Identity | undefined, other: Identity): boolean {
  return one !== undefined && identityText(one) === identityText(other);
}
