/**
 * Events as OCSF's File System Activity (class 1001), version 1.6.0 of the schema: https://schema.ocsf.io/1.6.0.
 *
 * @module
 */
import type { DecisionEvent } from "./event.ts";
import { messageOf } from "./text.ts";

/** What the reader of an event knows of the host it happened on. */
export interface HostFacts {
  readonly hostname: string;
  /** Of the agent. */
  readonly version: string;
}

/** The event in OCSF's words, with the profile `security_control`. */
export function ocsfOf(event: DecisionEvent, host: HostFacts): Record<string, unknown> {
  const [activityId, activity] = ACTIVITIES[event.op] ?? [99, event.op];
  const denied = event.action === "deny";
  return {
    activity_id: activityId,
    activity_name: activity,
    category_uid: 1,
    category_name: "System Activity",
    class_uid: CLASS,
    class_name: "File System Activity",
    type_uid: CLASS * 100 + activityId,
    type_name: `File System Activity: ${activity}`,
    severity_id: denied ? 3 : event.action === "audit" ? 2 : 1,
    time: Date.parse(event.time),
    count: event.count,
    message: messageOf(event),
    status_id: denied ? 2 : 1,
    ...(denied ? { status_code: "EPERM" } : {}),
    ...controlOf(event),
    metadata: {
      version: "1.6.0",
      uid: event.id,
      original_time: event.time,
      log_name: "events",
      log_provider: "aegisbpf",
      profiles: ["security_control"],
      product: { name: "aegisbpf", vendor_name: "aegisbpf", version: host.version },
    },
    // What the kernel tells does not say whether it is a server: unknown.
    device: { hostname: host.hostname, type_id: 0 },
    actor: actorOf(event),
    file: fileOf(event),
    unmapped: {
      action: event.action,
      op: event.op,
      path_source: event.file.path_source,
      dev: event.file.dev,
      gen: event.file.gen,
      cgroup: event.process.cgroup,
      backend: event.backend,
      policy_sha256: event.policy.sha256,
      gid: event.process.gid,
    },
  };
}

const CLASS = 1001;

/** OCSF has no activity for linking and for executing: they are `Other`, named by the operation. */
const ACTIVITIES: Readonly<Record<string, readonly [id: number, caption: string]>> = {
  read: [2, "Read"],
  write: [3, "Update"],
  truncate: [3, "Update"],
  delete: [4, "Delete"],
  rename: [5, "Rename"],
  attr: [6, "Set Attributes"],
};

/** Attributes of the profile: Denied and Blocked, or Allowed and Logged. */
function controlOf({ action, rule, policy }: DecisionEvent): Record<string, unknown> {
  const denied = action === "deny";
  return {
    action_id: denied ? 2 : 1,
    action: denied ? "Denied" : "Allowed",
    disposition_id: denied ? 2 : 17,
    disposition: denied ? "Blocked" : "Logged",
    is_alert: denied,
    policy: {
      name: policy.name,
      uid: rule,
      desc: `rule ${rule} of policy ${policy.name}`,
      version: String(policy.serial),
      is_applied: true,
    },
  };
}

function actorOf({ process }: DecisionEvent): Record<string, unknown> {
  const user = { uid: String(process.uid) };
  return {
    process: {
      pid: process.pid,
      name: process.comm,
      ...(process.exe === "" ? {} : { file: { name: nameOf(process.exe), path: process.exe, type_id: 1 } }),
      parent_process: { pid: process.ppid },
      user,
    },
    user,
  };
}

function fileOf({ file }: DecisionEvent): Record<string, unknown> {
  const uid = `${file.dev}:${file.ino}:${file.gen}`;
  // The kernel side tells no type; OCSF wants a name in any case.
  return { name: nameOf(file.path) || uid, path: file.path, type_id: 0, uid };
}

/** The last name of a path. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1) || path;
}
