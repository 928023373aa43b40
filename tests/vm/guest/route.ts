/**
 * A route is one way to get at a file. Each is tried three ways: on a denied file, on one whose rule only audits, and from
 * an exempt cgroup; and each time on a control, a file beside it that no rule names.
 */

import { type Case, category, type Context, equal, type Setup, Skip } from "./case.ts";

/** One way to get at a file. */
export interface Route {
  readonly name: string;
  /** The words for `act` that reach `file` this way. */
  readonly words: (file: string, t: Setup) => readonly string[];
  /** Done for each file before the policy is applied: other names, mounts. */
  readonly before?: (file: string, t: Setup) => void;
  /** Done for each file once the policy holds. */
  readonly after?: (file: string, t: Context) => void;
  /** Makes the file; default: a line of text. */
  readonly make?: (path: string, t: Setup) => string;
  /** The event's operation; default `read`. `any` where the kernel sees several. */
  readonly op?: "read" | "write" | "exec" | "any";
  /** Results of `act` that mean that this kernel cannot do it, and the kernel's reason. */
  readonly skips?: Readonly<Record<string, string>>;
  /** Whether the system call names the rule's path, so that backend `tracepoint` sees it; default: no. */
  readonly named?: boolean;
  /** Where the files are; default ext4. */
  readonly fs?: "ext4" | "tmpfs";
}

/** The cases of a category's routes: three for each. */
export function routes(name: string, list: readonly Route[]): Case[] {
  return category(name, list.flatMap((route) => [denied(route), audited(route), exempt(route)]));
}

type Bare = Omit<Case, "category">;

function denied(route: Route): Bare {
  return {
    name: route.name,
    prepare: (t) => prepare(route, t),
    run: async (t) => {
      const { secret, control } = files(route, t);
      equal(reach(route, t, control), "ok", "the control");
      equal(reach(route, t, secret), "EPERM", "the denied file");
      await reported(route, t, "deny");
    },
  };
}

function audited(route: Route): Bare {
  return {
    name: `${route.name}, audited`,
    phases: route.named ? ["enforce", "fentry", "tracepoint"] : ["enforce", "fentry"],
    prepare: (t) => prepare(route, t, "audit"),
    run: async (t) => {
      const { secret, control } = files(route, t);
      equal(reach(route, t, control), "ok", "the control");
      equal(reach(route, t, secret), "ok", "the audited file");
      await reported(route, t, "audit");
    },
  };
}

function exempt(route: Route): Bare {
  return {
    name: `${route.name}, exempt`,
    prepare: (t) => prepare(route, t),
    run: (t) => {
      const { secret, control } = files(route, t);
      const from = ["--cgroup", t.guest.exemptCgroup];
      equal(reach(route, t, control, from), "ok", "the control");
      equal(reach(route, t, secret, from), "ok", "the denied file from an exempt cgroup");
    },
  };
}

function files(route: Route, t: Setup): { secret: string; control: string } {
  const dir = t.dir(route.fs);
  return { secret: `${dir}/secret`, control: `${dir}/control` };
}

function prepare(route: Route, t: Setup, mode?: "audit"): void {
  const { secret, control } = files(route, t);
  for (const path of [secret, control]) {
    if (route.make) route.make(path, t);
    else t.file(path);
    route.before?.(path, t);
  }
  t.deny(secret, mode && t.phase === "enforce" ? { mode } : {});
}

function reach(route: Route, t: Context, file: string, options: readonly string[] = []): string {
  route.after?.(file, t);
  const result = t.act.one(...options, ...route.words(file, t));
  const reason = route.skips?.[result];
  if (reason !== undefined) throw new Skip(reason);
  return result;
}

async function reported(route: Route, t: Context, action: "deny" | "audit"): Promise<void> {
  const event = (await t.events.of(t.ruleId()))[0];
  equal(event?.action, action, "the event's action");
  if (route.op !== "any") equal(event?.op, route.op ?? "read", "the event's operation");
}
