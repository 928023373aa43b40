/**
 * Names for what decided: the kernel knows rules by number and callers by bits, people know them by the policy.
 *
 * @module
 */
import type { Judged, Membership, Subject, Unmet, Verdict } from "../kernel/decision.ts";
import { EXEMPT } from "../kernel/decision.ts";
import { AEGIS, OP } from "../kernel/layout.ts";
import { type Identity, identityText } from "../kernel/packed.ts";
import type { RuleNumbers } from "../kernel/rule_numbers.ts";
import type { Policy, Rule } from "../policy/model.ts";
import { type Operation, OPERATIONS } from "../policy/operations.ts";
import { type ResolvedTarget, targetText } from "../policy/resolve.ts";
import { formatCgroup } from "../policy/syntax.ts";
import type { ExplainedRule, ExplainReport } from "./api.ts";
import { isHandId } from "./hand_file.ts";
import type { InForce } from "./in_force.ts";

/** What the names are taken from. */
export interface NameSources {
  /** The policy that the set in force was made of, if the agent knows it. */
  readonly current: Pick<InForce, "policy" | "own" | "resolution"> | undefined;
  readonly numbers: Pick<RuleNumbers, "nameOf">;
  readonly subject: Subject;
  readonly file: ExplainReport["file"];
  readonly caller: ExplainReport["caller"];
  readonly verdict: Verdict;
}

/** A reason for which a caller is exempt, as the policy has it. */
export interface NamedMember {
  /** Key of `except`. */
  readonly list: "cgroups" | "exe" | "uids";
  /** As the policy would name it. */
  readonly value: string;
}

/** Names what one question came across. */
export class ExplainNames {
  readonly #sources: NameSources;

  constructor(sources: NameSources) {
    this.#sources = sources;
  }

  /** A rule's id. */
  idOf({ rule }: Judged): string {
    if (rule.flags & AEGIS.RULE_CANARY) return "(canary)";
    return this.#sources.numbers.nameOf(rule.number) ?? `rule-${rule.number}`;
  }

  /** The rule as the policy has it. */
  ruleOf(judged: Judged): Rule | undefined {
    const id = this.idOf(judged);
    return this.#sources.current?.policy.rules.find((rule) => rule.id === id);
  }

  /** Where in the policy the rule is: `rules[2] (tls-keys)`. */
  placeOf(judged: Judged): string {
    const rule = this.ruleOf(judged);
    const position = rule && this.#sources.current?.policy.rules.indexOf(rule);
    const id = this.idOf(judged);
    if (isHandId(id)) return `the rule by hand ${id}`;
    return position === undefined ? `rule ${id}` : `rules[${position}] (${id})`;
  }

  /** The target of the rule that names the subject. */
  targetOf(judged: Judged): ExplainedRule["target"] {
    const found = this.#findTarget(judged);
    return found ? { text: targetText(found.target), line: found.target.line } : null;
  }

  /** Whether a cgroup is exempt by hand, and not by the policy. */
  isExemptByHand(path: string): boolean {
    const { current } = this.#sources;
    const names = (policy: Pick<Policy, "allow"> | undefined) =>
      policy?.allow.cgroups.some((cgroup) => formatCgroup(cgroup) === path) ?? false;
    return names(current?.policy) && !names(current?.own);
  }

  /** How a rule names the subject, in words. */
  howNamed(judged: Judged): string {
    const text = this.targetOf(judged)?.text;
    if (judged.rule.flags & AEGIS.RULE_CANARY) {
      return "is the file that health opens to prove that denials work";
    }
    if (judged.behind) {
      return `covers the file behind this one, in a layer of the overlay: ${text ?? ""}`.replace(/: $/, "");
    }
    switch (judged.by) {
      case "file":
        return text === undefined
          ? "covers this file: it came to stand at a place of the rule, or left a subtree of it"
          : `covers this file, whatever its name: ${text}`;
      case "inode":
        return `covers this inode number: ${text ?? ""}`.replace(/: $/, "");
      case "subtree":
        return text === undefined ? "covers all below a directory above it" : `covers all of ${text}`;
      case "place":
        return `will cover the file once one stands there: ${text ?? this.#sources.file.path}`;
    }
  }

  /** Why a rule says what it says. */
  reasons(judged: Judged, op: Operation): string[] {
    if (judged.says === "nothing") return judged.unmet.map((unmet) => this.#inTheWay(judged, unmet, op));
    const scope = this.scopeText(judged);
    return [
      judged.says === "deny" ? `denies ${op}, ${scope}` : `reports ${op}, ${scope}: its mode is audit`,
    ];
  }

  /** Why a rule is about the caller: `in scope web`. */
  scopeText(judged: Judged): string {
    if (judged.rule.scopes === 0n || judged.rule.flags & AEGIS.RULE_CANARY) return "everywhere";
    const scopes = new Set(
      this.#cgroupsOf(judged.rule.scopes).flatMap((path) => this.#scopesNaming(judged, path)),
    );
    const inScopes = scopes.size > 0 ? [...scopes] : this.ruleOf(judged)?.in ?? [];
    return inScopes.length === 0 ? "in its scope" : `in scope ${inScopes.join(", ")}`;
  }

  /** Who the caller is that bits of its mask stand for. */
  membersOf(bits: bigint): NamedMember[] {
    return this.#memberships(bits).map((membership): NamedMember => {
      const { caller } = this.#sources;
      if (membership.by === "uid") return { list: "uids", value: String(caller.uid) };
      if (membership.by === "exe") return { list: "exe", value: caller.exe?.path ?? "" };
      return { list: "cgroups", value: this.#cgroupAt(membership) };
    });
  }

  #inTheWay(judged: Judged, unmet: Unmet, op: Operation): string {
    switch (unmet.kind) {
      case "operation":
        return `not for ${op}: it denies ${opsText(judged.rule.ops)}`;
      case "scope": {
        const scopes = this.ruleOf(judged)?.in ?? [];
        return `not in its scope${scopes.length === 0 ? "" : `: ${scopes.join(", ")}`}`;
      }
      case "exception":
        return `excepted: ${this.membersOf(unmet.bits).map(memberText).join(", ")}`;
      case "exempt":
        return `exempt by allow: ${this.membersOf(EXEMPT).map(memberText).join(", ")}`;
    }
  }

  #findTarget(judged: Judged): ResolvedTarget | undefined {
    const { current, subject, file } = this.#sources;
    const { by, level } = judged;
    const named = judged.behind ? subject.behind : subject.file;
    const id = this.idOf(judged);
    const targets = current?.resolution.targets.filter(({ rule }) => rule.id === id) ?? [];
    switch (by) {
      case "file":
        return targets.find(({ target, identity }) =>
          !("subtree" in target && target.subtree) && same(identity, named)
        );
      case "inode":
        return targets.find(({ target }) =>
          !("path" in target) && target.generation === undefined && target.ino === named?.ino
        );
      case "subtree": {
        const directory = level === undefined || level < 0 ? undefined : subject.above[level];
        const subtrees = targets.filter(({ target }) => "path" in target && target.subtree);
        return (directory && subtrees.find(({ identity }) => same(identity, directory))) ??
          // a directory that is not there yet, or is mounted below the rule's
          subtrees.find(({ target }) => "path" in target && file.path.startsWith(`${target.path}/`));
      }
      case "place":
        return targets.find(({ target }) => "path" in target && target.path === file.path) ??
          (targets.length === 1 ? targets[0] : undefined);
    }
  }

  #memberships(bits: bigint): Membership[] {
    return this.#sources.verdict.memberships.filter(({ mask }) => (mask & bits) !== 0n);
  }

  #cgroupsOf(bits: bigint): string[] {
    return this.#memberships(bits).filter(({ by }) => by === "cgroup").map((found) => this.#cgroupAt(found));
  }

  /** The caller's cgroup of a level, by path. */
  #cgroupAt({ level = 0 }: Membership): string {
    const names = this.#sources.caller.cgroup.path.split("/").filter((name) => name !== "");
    return `/${names.slice(0, level).join("/")}`;
  }

  #scopesNaming(judged: Judged, path: string): string[] {
    const scopes = this.#sources.current?.policy.scopes ?? [];
    const inScopes = this.ruleOf(judged)?.in ?? [];
    return scopes.filter(({ name, cgroups }) =>
      inScopes.includes(name) && cgroups.some((cgroup) => formatCgroup(cgroup) === path)
    ).map(({ name }) => name);
  }
}

/** The operations of a rule's bits. */
export function opsText(ops: number): string {
  return OPERATIONS.filter((_, op) => op < OP.OPS && (ops & 1 << op) !== 0).join(", ");
}

function memberText({ list, value }: NamedMember): string {
  return `${{ cgroups: "cgroup", exe: "executable", uids: "uid" }[list]} ${value}`;
}

function same(one: Identity | undefined, other: Identity | undefined): boolean {
  return one !== undefined && other !== undefined && identityText(one) === identityText(other);
}
