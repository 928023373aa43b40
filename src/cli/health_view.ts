/**
 * A health report as the command shows it, and its form for people.
 *
 * @module
 */
import type { HealthReport, PolicySummary, Posture } from "../agent/api.ts";
import { counted, type Paint, printable, type Style } from "./output.ts";

/** The agent's report, or what could be found out without one. */
export interface HealthView extends Omit<HealthReport, "policy" | "canary"> {
  /** `waiting` is null where no agent is there to know. */
  readonly policy: (Omit<PolicySummary, "waiting"> & { readonly waiting: number | null }) | null;
}

/** The report for people: one line to take in at a glance, then what is wrong, a line each. */
export function healthText(view: HealthView, style: Style): string {
  const paint = headlinePaint(view, style);
  const [posture, ...rest] = headline(view);
  const lines = [`${paint(posture)}${rest.join("")}`];
  for (const reason of view.reasons) lines.push(`  - ${printable(reason)}`);
  for (const { name, detail } of unexplainedChecks(view)) {
    lines.push(`  - ${printable(name)}: ${printable(detail)}`);
  }
  lines.push(`  ${footer(view)}`);
  return `${lines.join("\n")}\n`;
}

function headlinePaint({ ok, posture }: HealthView, style: Style): Paint {
  if (posture === "off") return style.bad;
  return ok && posture === "enforce" ? style.good : style.doubtful;
}

function headline({ ok, posture, backend, policy, agent }: HealthView): readonly [string, ...string[]] {
  const state = agent === null && posture !== "off"
    ? ", unattended"
    : ok || posture === "off"
    ? ""
    : ", unhealthy";
  if (policy === null) {
    return [posture, state, ": ", posture === "off" ? OUTCOMES.off : "no policy is in force"];
  }
  const rules = `${counted(policy.rules, "rule")} of ${printable(policy.name)} (serial ${policy.serial})`;
  const outcome = OUTCOMES[posture] === "" ? "" : ` ${OUTCOMES[posture]}`;
  const by = backend === null ? "" : ` by ${backend}`;
  const waiting = (policy.waiting ?? 0) > 0 ? `; ${counted(policy.waiting ?? 0, "path")} waiting` : "";
  if (posture === "off") return [posture, `: ${OUTCOMES.off}; ${rules} loaded${by}`];
  return [posture, `${state}: ${rules}${outcome}${by}${waiting}`];
}

/** What becomes of an operation that a rule names. */
const OUTCOMES: Readonly<Record<Posture, string>> = {
  enforce: "",
  audit: "reported, not refused,",
  degraded: "reported only, this host cannot refuse,",
  off: "nothing is refused",
};

/** Failed checks that no reason speaks of. */
function unexplainedChecks({ checks, reasons }: HealthView): HealthView["checks"] {
  return checks.filter(({ ok, detail }) => !ok && !reasons.some((reason) => reason.includes(detail)));
}

function footer({ agent, kernel }: HealthView): string {
  const release = `kernel ${kernel.release}`;
  if (agent === null) return release;
  return `agent ${agent.version}, pid ${agent.pid}, up ${duration(agent.uptime_s)}; ${release}`;
}

/** Seconds in the two largest units that matter: `2 d 3 h`, `45 s`. */
function duration(seconds: number): string {
  let rest = Math.floor(seconds);
  const parts: string[] = [];
  for (const [unit, size] of [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]] as const) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}
