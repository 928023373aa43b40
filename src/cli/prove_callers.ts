/**
 * Ways that hang on who the caller is: an operation by somebody whom a rule is about, or is not.
 *
 * @module
 */
import { passDescriptor } from "../../ffi/pass_descriptor.ts";
import { systemCall } from "../../ffi/syscall.ts";
import type { WayName } from "../agent/prove_catalogue.ts";
import { access, checked, must, O, openBy, readSecret, withOpen } from "./prove_calls.ts";
import { CALLERS } from "./prove_cgroup.ts";
import type { Place, Programs } from "./prove_decoys.ts";
import type { Operation } from "../policy/operations.ts";

/** Who can be stood in for. */
export interface StandIns extends Programs {
  /** Directory of the scratch cgroup. */
  readonly cgroup: string;
}

/** A user that nobody is, whom decoys' rules except. */
export const EXCEPTED_UID = 0x7fff_fffe;

type GoAs = (place: Place, op: Operation, standIns: StandIns) => void;

const as = (caller: keyof typeof CALLERS): GoAs => ({ file, secret }, op, { cgroup }) =>
  inCgroup(cgroup, caller, () => access(file, op, secret));

/** Those of the ways that are about callers. */
export const CALLER_WAYS = {
  "cgroup below the scope": as("descendant"),
  "cgroup made later": (place, op, standIns) => {
    const folder = `${standIns.cgroup}/${CALLERS.late}`;
    Deno.mkdirSync(folder);
    try {
      as("late")(place, op, standIns);
    } finally {
      removeWhenLeft(folder);
    }
  },
  "caller outside of the scope": as("outsider"),
  "excepted cgroup": as("excepted"),
  "excepted user": ({ file, secret }, op) => {
    // The kernel side asks for the real user; the effective one stays, and with it what root may do.
    must("setresuid", "setresuid", EXCEPTED_UID, -1, -1);
    try {
      access(file, op, secret);
    } finally {
      must("setresuid", "setresuid", 0, -1, -1);
    }
  },
  "excepted executable": ({ file }, op, { excepted }) => openBy(excepted, file, op),
  "copy of an excepted executable": ({ file }, op, { copy }) => openBy(copy, file, op),
  signal: ({ file, secret }, op, { copy }) => {
    if (op === "exec") access(file, op, secret);
    else openBy(copy, file, op);
  },
  "descriptor passed on": ({ file, secret }, _op, { cgroup }) =>
    withPassed(cgroup, file, (fd) => readSecret(fd, secret)),
  "descriptor passed on, opened again": ({ file, secret }, op, { cgroup }) =>
    withPassed(cgroup, file, (fd) => access(`/proc/self/fd/${fd}`, op, secret)),
} satisfies Partial<Record<WayName, GoAs>>;

/** Does something as a member of another cgroup than the usual one. */
function inCgroup<T>(cgroup: string, caller: keyof typeof CALLERS, use: () => T): T {
  join(cgroup, caller);
  try {
    return use();
  } finally {
    join(cgroup, "member");
  }
}

function join(cgroup: string, caller: keyof typeof CALLERS): void {
  // 0 is the writer itself, with all its threads.
  Deno.writeTextFileSync(`${cgroup}/${CALLERS[caller]}/cgroup.procs`, "0");
}

/** Does something with a descriptor that somebody opened whom the rule is not about. */
function withPassed<T>(cgroup: string, file: string, use: (fd: number) => T): T {
  const { step, result } = inCgroup(
    cgroup,
    "outsider",
    () => withOpen("open by another", file, O.RDONLY, passDescriptor),
  );
  const fd = checked(step, result);
  try {
    return use(fd);
  } finally {
    systemCall("close", fd);
  }
}

/** A cgroup stays for a moment when its last process has left; then it goes with the others. */
function removeWhenLeft(folder: string): void {
  try {
    Deno.removeSync(folder);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EBUSY")) throw error;
  }
}
