/**
 * The ways in which decisions reach the kernel, best first, and the programs that each one attaches.
 *
 * @module
 */
import { BACKEND } from "./layout.ts";

/** Backends, best first. */
export const BACKENDS = ["lsm", "fmod_ret", "fentry", "tracepoint"] as const;

/** How decisions reach the kernel; contract section 2. */
export type Backend = typeof BACKENDS[number];

/** Whether a backend can refuse an operation; the others only report it. */
export function canEnforce(backend: Backend): boolean {
  return backend === "lsm" || backend === "fmod_ret";
}

/** The number that the kernel side knows a backend by. */
export function backendNumber(backend: Backend): number {
  return NUMBERS[backend];
}

/** The backend of a number; undefined for none. */
export function backendOfNumber(number: number): Backend | undefined {
  return BACKENDS.find((backend) => NUMBERS[backend] === number);
}

/** Names of the programs that a backend attaches. */
export function programsOf(backend: Backend): readonly string[] {
  return PROGRAMS[backend];
}

const NUMBERS: Readonly<Record<Backend, number>> = {
  lsm: BACKEND.LSM,
  fmod_ret: BACKEND.FMOD_RET,
  fentry: BACKEND.FENTRY,
  tracepoint: BACKEND.TRACEPOINT,
};

const PROGRAMS: Readonly<Record<Backend, readonly string[]>> = {
  lsm: ["lsm_file_open"],
  fmod_ret: ["fmod_file_open"],
  fentry: ["fentry_file_open"],
  tracepoint: ["tp_sys_exit"],
};
