/**
 * What doctor found, for people.
 *
 * @module
 */
import type { DoctorReport } from "./doctor.ts";
import type { Finding, Mend } from "./doctor_finding.ts";
import { counted, printable, type Style } from "./output.ts";

/** The family of a distribution by its `/etc/os-release`; undefined for one that is neither. */
export function familyOf(osRelease: string): keyof Mend | undefined {
  const words = [...osRelease.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].flatMap(([, value = ""]) =>
    value.split(" ")
  );
  if (words.some((word) => word === "ubuntu" || word === "debian")) return "ubuntu";
  return words.some((word) => ["rhel", "fedora", "centos"].includes(word)) ? "rhel" : undefined;
}

/** A line for what is well; for what is not, why it matters and the commands of this host's family, or of both. */
export function doctorText(
  { kernel, checks }: DoctorReport,
  family: keyof Mend | undefined,
  style: Style,
): string {
  const lines = checks.flatMap((finding) => findingLines(finding, family, style));
  const of = (state: Finding["state"]) => checks.filter((finding) => finding.state === state).length;
  const summary = `${counted(of("fail"), "failure")}, ${counted(of("warn"), "warning")} on kernel ${kernel}`;
  return `${lines.join("\n")}\n\n${summary}\n`;
}

function findingLines(
  { name, state, found, why, mend }: Finding,
  family: keyof Mend | undefined,
  style: Style,
): string[] {
  const paint = { ok: style.good, warn: style.doubtful, fail: style.bad }[state];
  const first = `${paint(state.padEnd(4))}  ${name}: ${printable(found)}`;
  if (state === "ok") return [first];
  return [first, `      ${why}`, ...(mend ? mendLines(mend, family) : [])];
}

function mendLines(mend: Mend, family: keyof Mend | undefined): string[] {
  const same = mend.ubuntu.join("\n") === mend.rhel.join("\n");
  if (family !== undefined || same) return commandLines(mend[family ?? "ubuntu"]);
  return [
    ...["      on Ubuntu:", ...commandLines(mend.ubuntu)],
    ...["      on RHEL:", ...commandLines(mend.rhel)],
  ];
}

function commandLines(commands: readonly string[]): string[] {
  return commands.map((command) => `        ${command}`);
}
