/**
 * Where `prove` puts its decoys: for each file system that a rule's targets are on, a folder that no rule covers.
 *
 * @module
 */
import { dirname } from "node:path";
import type { RuleView } from "../agent/api.ts";
import type { TargetKind } from "../agent/prove_catalogue.ts";
import { type Mount, readMounts } from "../kernel/host.ts";

/** Targets of one rule that are alike: of one kind, on one file system. */
export interface Bench {
  readonly rule: RuleView;
  readonly kind: TargetKind;
  /** One of the targets. */
  readonly target: string;
  readonly file_system: string;
  /** As `st_dev`; undefined where it cannot be told. */
  readonly device: number | undefined;
  /** Directories in which decoys may be put, best first. */
  readonly candidates: readonly string[];
}

/** The benches of a rule. `covered`: directories that rules cover with all below. */
export function benchesOf(
  rule: RuleView,
  covered: readonly string[],
  mounts: readonly Mount[] = readMounts(),
): Bench[] {
  const benches = rule.targets.map(({ target }): Bench => {
    const kind = kindOf(target);
    const { device, start } = kind === "inode" ? mountOf(target, mounts) : standsOn(pathOf(target));
    const candidates = device === undefined
      ? []
      : [...upwards(start), ...mounts.map(({ mountPoint }) => mountPoint)].filter((folder, index, all) =>
        all.indexOf(folder) === index && deviceOf(folder) === device && !isBelow(folder, covered)
      );
    return { rule, kind, target, file_system: typeOf(start, mounts), device, candidates };
  });
  const seen = new Set<string>();
  return benches.filter(({ kind, device }) => {
    const key = `${kind} ${device}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** The directories that rules cover with all below, symbolic links followed. */
export function coveredBy(rules: readonly RuleView[]): string[] {
  return rules.flatMap(({ targets }) => targets)
    .filter(({ target }) => kindOf(target) === "subtree")
    .map(({ target }) => realPath(pathOf(target)) ?? pathOf(target));
}

/** A new folder in the first candidate that takes it; else why there is none. */
export function makeFolder(
  { candidates }: Pick<Bench, "candidates">,
): { readonly folder: string } | { readonly reason: string } {
  let reason = "no directory on the target's file system is outside of every rule";
  for (const candidate of candidates) {
    const folder = `${candidate === "/" ? "" : candidate}/.aegisbpf-prove-${crypto.randomUUID()}`;
    try {
      Deno.mkdirSync(folder, { mode: 0o700 });
      return { folder };
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  return { reason };
}

function kindOf(target: string): TargetKind {
  if (!target.startsWith("/")) return "inode";
  return target.endsWith("/**") ? "subtree" : "file";
}

function pathOf(target: string): string {
  return target.replace(/\/\*\*$/, "") || "/";
}

interface Stands {
  readonly device: number | undefined;
  /** The directory to begin with. */
  readonly start: string;
}

/** The device that a path is on, or will be once it exists. */
function standsOn(path: string): Stands {
  for (let here = path;; here = dirname(here)) {
    const real = realPath(here);
    if (real !== undefined) return { device: deviceOf(real), start: here === path ? dirname(real) : real };
    if (here === "/") return { device: undefined, start: "/" };
  }
}

/** `MAJOR:MINOR:INO[:GENERATION]` names the superblock's device, and so do mounts. */
function mountOf(target: string, mounts: readonly Mount[]): Stands {
  const device = target.split(":").slice(0, 2).join(":");
  const found = mounts.find((mount) => mount.device === device && isDirectory(mount.mountPoint));
  return found
    ? { device: deviceOf(found.mountPoint), start: found.mountPoint }
    : { device: undefined, start: "/" };
}

function* upwards(path: string): Generator<string> {
  for (let here = path;; here = dirname(here)) {
    yield here;
    if (here === "/") return;
  }
}

function isBelow(folder: string, covered: readonly string[]): boolean {
  const real = realPath(folder) ?? folder;
  return covered.some((tree) => real === tree || real.startsWith(tree === "/" ? "/" : `${tree}/`));
}

function typeOf(path: string, mounts: readonly Mount[]): string {
  const around = mounts.filter(({ mountPoint }) =>
    mountPoint === "/" || path === mountPoint || path.startsWith(`${mountPoint}/`)
  );
  const nearest = around.reduce<Mount | undefined>(
    (best, mount) => best && best.mountPoint.length > mount.mountPoint.length ? best : mount,
    undefined,
  );
  return nearest?.type ?? "unknown";
}

function realPath(path: string): string | undefined {
  return lookUp(() => Deno.realPathSync(path));
}

function deviceOf(path: string): number | undefined {
  return lookUp(() => Deno.statSync(path))?.dev;
}

function isDirectory(path: string): boolean {
  return lookUp(() => Deno.statSync(path))?.isDirectory ?? false;
}

/** Paths that cannot be looked up are no place for decoys, for whatever reason. */
function lookUp<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
