/**
 * Reads the INI policy of the C++ agent that many hosts come from, versions 1 to 6: its sections and their entries, each
 * with its place. What becomes of them is in `ini_import.ts`.
 *
 * @module
 */

import { decodeText } from "./document.ts";
import { LIMITS } from "./limits.ts";
import type { Place, ProblemList } from "./problem.ts";
import { nearest } from "./suggest.ts";
import { quote } from "./syntax.ts";

/** A line of a section. */
export interface IniEntry {
  readonly text: string;
  readonly place: Place;
}

/** A section header with what stands below it; the same section may come several times. */
export interface IniSection {
  readonly name: IniSectionName;
  readonly place: Place;
  /** Without those that repeat an earlier one of the same section. */
  readonly entries: readonly IniEntry[];
}

/** A policy of that format. */
export interface IniPolicy {
  /** 1 to 6. */
  readonly version: number;
  readonly sections: readonly IniSection[];
}

/** Sections by name, with the first version that has them. */
export const INI_SECTIONS = {
  deny_path: 1,
  deny_inode: 1,
  allow_cgroup: 1,
  deny_ip: 1,
  deny_cidr: 1,
  deny_port: 1,
  deny_ip_port: 1,
  protect_connect: 1,
  protect_runtime_deps: 1,
  deny_binary_hash: 1,
  allow_binary_hash: 1,
  scan_paths: 1,
  trusted_exec_hash: 1,
  require_ima_appraisal: 1,
  ima_fail_closed: 1,
  deny_comm: 1,
  deny_ptrace: 1,
  deny_module_load: 1,
  deny_bpf: 1,
  cgroup_deny_ip: 1,
  cgroup_deny_port: 1,
  protect_path: 4,
  cgroup_deny_inode: 6,
} as const;

/** The name of a section. */
export type IniSectionName = keyof typeof INI_SECTIONS;

/** The first line of a signed bundle; the policy follows its first `---` line. */
export const BUNDLE_MARK = "AEGIS-POLICY-BUNDLE-V1";

/** Whether a text begins as a signed bundle or a policy of that format does, comments and empty lines aside. */
export function looksLikeIni(text: string): "bundle" | "ini" | undefined {
  for (const line of linesOf(text)) {
    if (line.text === BUNDLE_MARK) return "bundle";
    if (line.text === "" || line.text.startsWith("#")) continue;
    return /^version[ \t]*=/.test(line.text) || sectionName(line.text) !== undefined ? "ini" : undefined;
  }
  return undefined;
}

/** What to read. */
export interface IniOptions {
  /** Reads the body of a signed bundle, whose signature stands for nothing here; without it, a bundle is a problem. */
  readonly unsignedBody?: boolean;
}

/**
 * Reads a policy. Never throws for what is in the bytes, and takes bounded time and memory.
 *
 * @returns What can be made out even if there was a problem, so that those of entries are found as well; undefined if
 * that is nothing. Every problem is added to `problems`.
 */
export function readIni(
  bytes: Uint8Array,
  problems: ProblemList,
  options: IniOptions = {},
): IniPolicy | undefined {
  if (bytes.length > LIMITS.fileBytes) {
    const message = `the policy has ${bytes.length} bytes`;
    problems.add(START, [], message, `at most ${LIMITS.fileBytes}`);
    return undefined;
  }
  const text = decodeText(bytes, problems);
  if (text === undefined) return undefined;
  const reader = new IniReader(problems);
  let inBody = true;
  for (const { text: line, place } of linesOf(text)) {
    if (place.line === 1 && line === BUNDLE_MARK) {
      if (!options.unsignedBody) {
        problems.add(place, [], BUNDLE_REFUSED, "a policy without a signature");
        return undefined;
      }
      inBody = false;
    } else if (!inBody) inBody = line === "---";
    else reader.take(line, place);
    if (problems.full) break;
  }
  if (!inBody) problems.add(START, [], "the bundle has no policy", 'the line "---", and the policy after it');
  return inBody ? reader.finish() : undefined;
}

/** Why a bundle is not read. */
export const BUNDLE_REFUSED =
  "this is a signed bundle, and its signature means nothing to this agent; import its body with --unsigned-body, " +
  "and sign the result anew";

class IniReader {
  readonly #problems: ProblemList;
  readonly #sections: (IniSection & { entries: IniEntry[] })[] = [];
  readonly #seen = new Map<IniSectionName, Set<string>>();
  #version: number | undefined;
  #versionLine: number | undefined;
  /** The section that entries go to; "unknown" after a header that was refused. */
  #current: (IniSection & { entries: IniEntry[] }) | "none" | "unknown" = "none";
  #entries = 0;

  constructor(problems: ProblemList) {
    this.#problems = problems;
  }

  take(line: string, place: Place): void {
    if (line === "" || line.startsWith("#")) return;
    if (line.startsWith("[")) this.#startSection(line, place);
    else if (this.#current === "none") this.#readVersion(line, place);
    else if (this.#current !== "unknown") this.#addEntry(line, place, this.#current);
  }

  finish(): IniPolicy {
    if (this.#versionLine === undefined) {
      this.#problems.add(
        START,
        ["version"],
        "the version is missing",
        "version=N before the first section, N from 1 to 6",
      );
    }
    for (const { name, place } of this.#sections) this.#checkVersion(name, place);
    return { version: this.#version ?? LAST_VERSION, sections: this.#sections };
  }

  #readVersion(line: string, place: Place): void {
    const value = line.match(/^version[ \t]*=[ \t]*(.*)$/)?.[1];
    if (value === undefined) {
      this.#problems.add(
        place,
        [],
        `${quote(line)} stands before the first section`,
        "version=N, or a section such as [deny_path]",
      );
    } else if (this.#versionLine !== undefined) {
      this.#problems.add(
        place,
        ["version"],
        `the version is already on line ${this.#versionLine}`,
        "it once",
      );
    } else {
      this.#versionLine = place.line;
      if (/^[1-6]$/.test(value)) this.#version = Number(value);
      else {this.#problems.add(
          place,
          ["version"],
          `${quote(value)} is not a version of this format`,
          "1 to 6",
        );}
    }
  }

  #startSection(line: string, place: Place): void {
    const name = sectionName(line);
    if (name !== undefined) {
      this.#current = { name, place, entries: [] };
      this.#sections.push(this.#current);
      return;
    }
    const meant = nearest(line.replaceAll(/[[\]]/g, ""), Object.keys(INI_SECTIONS));
    const hint = meant === undefined ? "" : ` (did you mean [${meant}]?)`;
    this.#problems.add(
      place,
      [],
      `${quote(line)} is not a section of this format${hint}`,
      "a section such as [deny_path]",
    );
    this.#current = "unknown";
  }

  #addEntry(text: string, place: Place, section: IniSection & { entries: IniEntry[] }): void {
    const seen = this.#seen.get(section.name) ?? new Set();
    this.#seen.set(section.name, seen);
    if (seen.has(text)) return;
    seen.add(text);
    section.entries.push({ text, place });
    if (++this.#entries === LIMITS.rules + 1) {
      this.#problems.add(place, [], "one entry too many", `at most ${LIMITS.rules}`);
    }
  }

  #checkVersion(name: IniSectionName, place: Place): void {
    const since = INI_SECTIONS[name];
    if (this.#version === undefined || this.#version >= since) return;
    this.#problems.add(
      place,
      [],
      `[${name}] is not in version ${this.#version}`,
      `version ${since} or later`,
    );
  }
}

const START: Place = { line: 1, column: 1 };
const LAST_VERSION = 6;

/** Lines without the blanks around them, as that agent takes them: ASCII's alone. */
function* linesOf(text: string): Generator<{ readonly text: string; readonly place: Place }> {
  let line = 0;
  for (let start = 0; start <= text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    let [first, last] = [start, end];
    while (first < last && isBlank(text, first)) first++;
    while (last > first && isBlank(text, last - 1)) last--;
    yield { text: text.slice(first, last), place: { line: ++line, column: first - start + 1 } };
    start = end + 1;
  }
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

function sectionName(line: string): IniSectionName | undefined {
  const name = line.match(/^\[([a-z_]+)\]$/)?.[1];
  return name !== undefined && Object.hasOwn(INI_SECTIONS, name) ? name as IniSectionName : undefined;
}
