/**
 * Makes a policy of this format out of an INI policy of the C++ agent (see `ini.ts`): file and cgroup sections become
 * rules, and what has no counterpart is listed.
 *
 * @module
 */

import { Document, isMap, isPair, isSeq, type Node } from "yaml";
import { type IniEntry, type IniOptions, type IniPolicy, type IniSection, readIni } from "./ini.ts";
import { LIMITS } from "./limits.ts";
import { parsePolicy } from "./parse.ts";
import { formatProblem, type Problem, ProblemList } from "./problem.ts";
import { formatCgroup, parseCgroup, parseFilePath, quote, UNPRINTABLE } from "./syntax.ts";

/** What becomes of a policy. */
export type IniImport =
  | {
    readonly ok: true;
    /** The policy in YAML, with comments; it is valid. */
    readonly text: string;
    /** What was left out. */
    readonly skipped: readonly Problem[];
    /** What means something else here than there, a sentence each. */
    readonly notes: readonly string[];
  }
  | {
    readonly ok: false;
    /** Everything wrong, or everything that has no counterpart. */
    readonly problems: readonly Problem[];
    /** True if the policy itself is good and leaving out `problems` would do. */
    readonly unsupported: boolean;
  };

/** How to import. */
export interface IniImportOptions extends IniOptions {
  /** Leaves out what has no counterpart. Default: it is a problem. */
  readonly skipUnsupported?: boolean;
  /** Name of the policy; that format has none. */
  readonly name: string;
  /** Serial of the policy; that format has none. */
  readonly serial: number;
}

/** Imports a policy. Never throws for what is in the bytes, and takes bounded time and memory. */
export function importIni(bytes: Uint8Array, file: string, options: IniImportOptions): IniImport {
  const problems = new ProblemList(file);
  const ini = readIni(bytes, problems, options);
  if (ini === undefined) return { ok: false, problems: problems.sorted(), unsupported: false };
  const unsupported = new ProblemList(file);
  const converter = new Converter(problems, unsupported);
  for (const section of ini.sections) converter.take(section);
  if (problems.count > 0) return { ok: false, problems: problems.sorted(), unsupported: false };
  const skipped = unsupported.sorted();
  if (skipped.length > 0 && !options.skipUnsupported) {
    return { ok: false, problems: skipped, unsupported: true };
  }
  const text = converter.write(ini, file, skipped, options);
  const result = parsePolicy(text, file);
  if (result.ok) return { ok: true, text, skipped, notes: converter.notes };
  const [first] = result.problems;
  const message = `what it would become is not a valid policy: ${first?.path}: ${first?.message}`;
  problems.add({ line: 1, column: 1 }, [], message, first?.expected);
  return { ok: false, problems: problems.sorted(), unsupported: false };
}

/** Inodes denied for one cgroup. */
interface CgroupInodes {
  readonly cgroup: string;
  readonly inodes: string[];
}

class Converter {
  readonly #problems: ProblemList;
  readonly #unsupported: ProblemList;
  readonly #paths: string[] = [];
  readonly #inodes: string[] = [];
  readonly #allowed: string[] = [];
  readonly #byCgroup = new Map<string, CgroupInodes>();

  constructor(problems: ProblemList, unsupported: ProblemList) {
    this.#problems = problems;
    this.#unsupported = unsupported;
  }

  /** What means something else here than there. */
  get notes(): readonly string[] {
    return this.#allowed.length > 0 || this.#byCgroup.size > 0 ? [CGROUPS_DIFFER] : [];
  }

  take(section: IniSection): void {
    switch (section.name) {
      case "deny_path":
        return section.entries.forEach((entry) => this.#denyPath(entry));
      case "deny_inode":
        return section.entries.forEach((entry) => push(this.#inodes, this.#inode(entry.text, entry)));
      case "allow_cgroup":
        return section.entries.forEach((entry) => push(this.#allowed, this.#cgroup(entry.text, entry)));
      case "cgroup_deny_inode":
        return section.entries.forEach((entry) => this.#denyInodeIn(entry));
      case "protect_path":
        return section.entries.forEach((entry) => this.#protectPath(entry));
      default:
        this.#leaveOut(section);
    }
  }

  write(ini: IniPolicy, file: string, skipped: readonly Problem[], options: IniImportOptions): string {
    const scopes = [...this.#byCgroup.values()].map((group, index) => ({
      ...group,
      scope: `cgroup-${index + 1}`,
    }));
    const rules = [
      ...(this.#paths.length === 0 ? [] : [{ id: "deny-path", paths: this.#paths }]),
      ...(this.#inodes.length === 0 ? [] : [{ id: "deny-inode", inodes: this.#inodes }]),
      ...scopes.map(({ scope, inodes }) => ({ id: `${scope}-deny-inode`, inodes, in: [scope] })),
    ];
    const document = new Document({
      version: 1,
      name: options.name,
      serial: options.serial,
      mode: "enforce",
      ...(scopes.length === 0
        ? {}
        : { scopes: Object.fromEntries(scopes.map(({ scope, cgroup }) => [scope, [cgroup]])) }),
      ...(this.#allowed.length === 0 ? {} : { allow: { cgroups: this.#allowed } }),
      rules,
    }, { version: "1.2" });
    document.commentBefore = headComment(ini, file, skipped);
    const root = document.contents;
    comment(
      root,
      "mode",
      "The INI format has no mode: try with aegisbpf run --mode audit, or audit here, first.",
    );
    comment(root, "scopes", CGROUPS_DIFFER);
    comment(root, "allow", `From [allow_cgroup]. ${CGROUPS_DIFFER}`);
    return document.toString({ lineWidth: 0 });
  }

  #denyPath(entry: IniEntry): void {
    const path = this.#path(entry);
    if (path === undefined) return;
    const parsed = parseFilePath(path);
    if (parsed.ok) push(this.#paths, path);
    else this.#omit(entry, "deny_path", parsed.message);
  }

  #protectPath(entry: IniEntry): void {
    if (this.#path(entry) === undefined) return;
    const reason =
      "it lets executables through that are verified by their hash; here, a rule names them in except.exe";
    this.#omit(entry, "protect_path", reason);
  }

  #denyInodeIn(entry: IniEntry): void {
    const [cgroupText = "", inodeText, ...rest] = entry.text.split(" ");
    if (inodeText === undefined || rest.length > 0) {
      this.#wrong(
        entry,
        `${quote(entry.text)} is not a cgroup and an inode`,
        "CGROUP DEV:INO, one space between them",
      );
      return;
    }
    const cgroup = this.#cgroup(cgroupText, entry);
    const inode = this.#inode(inodeText, entry);
    if (cgroup === undefined || inode === undefined) return;
    const known = this.#byCgroup.get(cgroup);
    if (known !== undefined) return push(known.inodes, inode);
    if (this.#byCgroup.size === LIMITS.callerSets) {
      return this.#wrong(
        entry,
        "one cgroup too many in [cgroup_deny_inode]",
        `at most ${LIMITS.callerSets} different ones`,
      );
    }
    this.#byCgroup.set(cgroup, { cgroup, inodes: [inode] });
  }

  /** The path of an entry, double and trailing slashes taken out; a problem if the other agent would refuse it too. */
  #path(entry: IniEntry): string | undefined {
    const { text } = entry;
    if (!text.startsWith("/")) {
      return this.#wrong(entry, `${quote(text)} is not an absolute path`, "an absolute path");
    }
    if (new TextEncoder().encode(text).length > PATH_BYTES) {
      return this.#wrong(entry, "the path is too long", `at most ${PATH_BYTES} bytes`);
    }
    return canonical(text);
  }

  /** `MAJOR:MINOR:INO` of `DEV:INO`. */
  #inode(text: string, entry: IniEntry): string | undefined {
    const [, device, ino] = text.match(/^([0-9]{1,10}):([0-9]{1,20})$/) ?? [];
    if (device === undefined || ino === undefined) {
      return this.#wrong(entry, `${quote(text)} is not an inode`, "DEV:INO in decimal");
    }
    const [dev, number] = [BigInt(device), BigInt(ino)];
    if (dev > 0xffff_ffffn) {
      return this.#wrong(entry, `the device ${device} is too large`, "at most 2^32 - 1");
    }
    if (number < 1n || number > U64_MAX) {
      return this.#wrong(entry, `the inode number ${ino} is out of range`, "1 to 2^64 - 1");
    }
    return `${dev >> MINOR_BITS}:${dev & MINOR_MASK}:${number}`;
  }

  #cgroup(text: string, entry: IniEntry): string | undefined {
    const id = text.match(/^cgid:([0-9]{1,20})$/)?.[1];
    const parsed = parseCgroup(
      id === undefined ? belowMount(text.startsWith("/") ? canonical(text) : text) : `id:${BigInt(id)}`,
    );
    if (parsed.ok) return formatCgroup(parsed.value);
    return this.#wrong(entry, parsed.message, "the path of a cgroup, or cgid:N");
  }

  #leaveOut({ name, place, entries }: IniSection): void {
    const lines = entries.length === 0
      ? ""
      : `, lines ${entries[0]?.place.line} to ${entries.at(-1)?.place.line}`;
    const count = entries.length === 1 ? "1 entry" : `${entries.length} entries`;
    this.#unsupported.add(place, [], `[${name}] has no counterpart: ${count}${lines}`);
  }

  #omit(entry: IniEntry, section: string, reason: string): void {
    this.#unsupported.add(entry.place, [], `[${section}] ${quote(entry.text)} has no counterpart: ${reason}`);
  }

  #wrong({ place }: IniEntry, message: string, expected: string): undefined {
    this.#problems.add(place, [], message, expected);
  }
}

/** The other agent takes less than 256. */
const PATH_BYTES = 255;
const U64_MAX = 2n ** 64n - 1n;
/** The kernel's own encoding of a device, not that of `stat`. */
const MINOR_BITS = 20n;
const MINOR_MASK = 0xfffffn;
const CGROUPS_DIFFER = "A cgroup stands for all below it as well; there, a cgid was that one cgroup alone.";

function push(list: string[], item: string | undefined): void {
  if (item !== undefined) list.push(item);
}

/** Without empty names, `.` and a slash at the end. `..` is left: what it leads to depends on symbolic links. */
function canonical(path: string): string {
  return `/${path.split("/").filter((name) => name !== "" && name !== ".").join("/")}`;
}

function belowMount(cgroup: string): string {
  const below = cgroup.replace(/^\/sys\/fs\/cgroup(?:\/unified)?(?=\/|$)/, "");
  return below === "" ? "/" : below;
}

function headComment({ version }: IniPolicy, file: string, skipped: readonly Problem[]): string {
  const lines = [`Imported from ${file}, an INI policy of version ${version}.`];
  if (skipped.length > 0) {
    lines.push(
      "Left out, as it has no counterpart:",
      ...skipped.map((p) => `  ${formatProblem(p)}`),
    );
  }
  return lines.map(commentLine).join("\n");
}

function commentLine(line: string): string {
  return ` ${line.replace(UNPRINTABLE, "?")}`;
}

function comment(root: Node | null, key: string, text: string): void {
  const pair = isMap(root) ? root.items.find((item) => isPair(item) && String(item.key) === key) : undefined;
  const node = pair?.key;
  if (typeof node === "object" && node !== null && !isSeq(node)) {
    (node as Node).commentBefore = commentLine(text);
  }
}
