/**
 * What metrics take from the kernel, at the moment in which they are asked for.
 *
 * @module
 */
import { bootTimeOffsetNs } from "../../ffi/clock.ts";
import { SystemError } from "../../ffi/libc.ts";
import type { BpfMap } from "../../ffi/map.ts";
import { programInfo } from "../../ffi/program.ts";
import { type Counters, readCounters, readRuleCounts, type RuleCount } from "../kernel/counters.ts";
import type { KernelState, MapName } from "../kernel/state.ts";

/** One map. */
export interface MapReading {
  readonly map: string;
  /** Bytes that the kernel charges for it; undefined where it does not tell. */
  readonly bytes?: number;
  /** Undefined for maps that are always full, or have no entries. */
  readonly entries?: number;
  readonly maxEntries?: number;
}

/** One attached program, while the kernel keeps BPF statistics. */
export interface ProgramReading {
  readonly program: string;
  readonly seconds: number;
}

/** The kernel side at one moment. */
export interface KernelReading {
  readonly counters: Counters;
  readonly decisions: readonly RuleCount[];
  /** Unix time in seconds; 0: never. */
  readonly heartbeat: number;
  readonly maps: readonly MapReading[];
  readonly programs: readonly ProgramReading[];
}

/**
 * Reads everything. Counts are of one moment; large maps are walked in pieces, between which the agent goes on.
 */
export async function readKernel(state: KernelState): Promise<KernelReading> {
  const counters = readCounters(state.maps);
  const decisions = readRuleCounts(state.maps);
  const { heartbeatNs } = state.control;
  const heartbeat = heartbeatNs === 0n ? 0 : Number((heartbeatNs + bootTimeOffsetNs()) / 1_000_000n) / 1000;
  const programs = keepsStatistics() ? readPrograms(state) : [];
  return { counters, decisions, heartbeat, programs, maps: await readMaps(state) };
}

/** Whether the kernel counts how long programs run: `sysctl kernel.bpf_stats_enabled`. */
export function keepsStatistics(): boolean {
  try {
    return Deno.readTextFileSync("/proc/sys/kernel/bpf_stats_enabled").trim() === "1";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function readPrograms({ links }: KernelState): ProgramReading[] {
  const readings: ProgramReading[] = [];
  for (const [program, link] of links) {
    try {
      const { runTimeNs } = programInfo({ id: link.info().programId });
      readings.push({ program, seconds: Number(runTimeNs) / 1e9 });
    } catch (error) {
      // Detached since: health says so.
      if (!(error instanceof SystemError)) throw error;
    }
  }
  return readings;
}

/** Maps whose entries come and go. */
const COUNTED: readonly MapName[] = ["rule_counts", "flows", "flows_odd", "past", "reported", "rule_names"];

async function readMaps({ maps, control }: KernelState): Promise<MapReading[]> {
  const readings: MapReading[] = [];
  for (const [name, map] of Object.entries(maps)) {
    // Those have the sets in them.
    if (name === "entries" || name === "rules") continue;
    const counted = COUNTED.includes(name as MapName)
      ? { entries: await countEntries(map), maxEntries: map.maxEntries }
      : {};
    readings.push({ map: name.replace(/^\./, ""), ...memoryOf([map]), ...counted });
  }
  const live = control.liveIndex();
  for (const name of ["entries", "rules"] as const) {
    using sets = new DisposableStack();
    const inner = [0, 1].map((index) => maps[name].lookupMap(keyOf(index))).map((map) =>
      map && sets.use(map)
    );
    const inForce = inner[live];
    const used = inForce === undefined ? {} : {
      entries: name === "rules" ? control.setInfo(live).rules : await countEntries(inForce),
      maxEntries: inForce.maxEntries,
    };
    readings.push({
      map: name,
      ...memoryOf([maps[name], ...inner.filter((map) => map !== undefined)]),
      ...used,
    });
  }
  return readings;
}

function keyOf(index: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(index).buffer);
}

/** Keys walked in a row, about 10 ms. */
const PIECE = 10_000;

async function countEntries(map: BpfMap): Promise<number> {
  let count = 0;
  for (const _key of map.keys()) {
    if (++count % PIECE === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  return count;
}

function memoryOf(maps: readonly BpfMap[]): { bytes?: number } {
  let bytes = 0;
  for (const { fd } of maps) {
    const [, memlock] = /^memlock:\s*(\d+)$/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`)) ?? [];
    if (memlock === undefined) return {};
    bytes += Number(memlock);
  }
  return { bytes };
}
