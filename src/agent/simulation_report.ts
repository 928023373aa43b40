/**
 * Sums up what a policy would have done to the accesses of a log, in bounded memory whatever the log holds.
 *
 * @module
 */
import type { Access } from "./access_log.ts";
import type { Outcome } from "./simulation.ts";

/** Accesses of one kind that the policy would deny or report. */
export interface SimulatedRow {
  readonly action: "deny" | "audit";
  readonly rule: string;
  /** The rule's line in the policy. */
  readonly line: number;
  readonly op: string;
  readonly cgroup: string;
  /** Path of the executable; empty where the log does not say. */
  readonly exe: string;
  readonly count: number;
  /** Some of the files, at most three. */
  readonly files: readonly string[];
}

/** A line of the log that was not judged. */
export interface BadLine {
  /** Counted from 1. */
  readonly line: number;
  readonly reason: string;
}

/** What came of a simulation. */
export interface SimulationReport {
  /** Lines of the log, those of no interest included. */
  readonly lines: number;
  /** Lines that are accesses and were judged. */
  readonly judged: number;
  /** Accesses: an event may stand for many. */
  readonly denied: number;
  readonly audited: number;
  readonly allowed: number;
  /** Of the judged lines, by what their file was found. */
  readonly by: Readonly<Record<Outcome["by"], number>>;
  /** Largest first. */
  readonly rows: readonly SimulatedRow[];
  /** What there were too many different rows for. */
  readonly omitted: { readonly denied: number; readonly audited: number };
  readonly bad: { readonly count: number; readonly lines: readonly BadLine[] };
}

/** Bounds of a report. */
export const MAX_ROWS = 10_000;
export const MAX_BAD_LINES = 100;

/** Collects a report. */
export class SimulationSummary {
  readonly #rows = new Map<string, { row: SimulatedRow; count: number; files: Set<string> }>();
  readonly #counts = { deny: 0, audit: 0, nothing: 0 };
  readonly #omitted = { denied: 0, audited: 0 };
  readonly #by = { file: 0, place: 0, replaced: 0, identity: 0 };
  readonly #badLines: BadLine[] = [];
  #bad = 0;
  #lines = 0;
  #judged = 0;

  /** Counts a line of the log. */
  addLine(): void {
    this.#lines++;
  }

  /** Counts a line that cannot be judged. */
  addBad(line: number, reason: string): void {
    this.#bad++;
    if (this.#badLines.length < MAX_BAD_LINES) this.#badLines.push({ line, reason });
  }

  /** Counts what the policy makes of an access. */
  add(access: Access, { says, rule, by }: Outcome): void {
    this.#judged++;
    this.#by[by]++;
    this.#counts[says] += access.count;
    if (says === "nothing" || rule === undefined) return;
    const { op, cgroup, exe = "" } = access;
    const key = JSON.stringify([says, rule.id, op, cgroup, exe]);
    let known = this.#rows.get(key);
    if (known === undefined) {
      if (this.#rows.size >= MAX_ROWS) {
        this.#omitted[says === "deny" ? "denied" : "audited"] += access.count;
        return;
      }
      const row = { action: says, rule: rule.id, line: rule.line, op, cgroup, exe, count: 0, files: [] };
      this.#rows.set(key, known = { row, count: 0, files: new Set() });
    }
    known.count += access.count;
    if (known.files.size < MAX_FILES && access.path !== undefined) known.files.add(access.path);
  }

  /** The report so far. */
  report(): SimulationReport {
    const rows = [...this.#rows.values()].map(({ row, count, files }) => ({
      ...row,
      count,
      files: [...files],
    }));
    return {
      lines: this.#lines,
      judged: this.#judged,
      denied: this.#counts.deny,
      audited: this.#counts.audit,
      allowed: this.#counts.nothing,
      by: { ...this.#by },
      rows: rows.sort((one, other) => one.action.localeCompare(other.action) * -1 || other.count - one.count),
      omitted: { ...this.#omitted },
      bad: { count: this.#bad, lines: [...this.#badLines] },
    };
  }
}

const MAX_FILES = 3;
