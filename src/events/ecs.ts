/**
 * Events in the Elastic Common Schema, version 8.17: https://www.elastic.co/guide/en/ecs/8.17.
 *
 * @module
 */
import type { DecisionEvent } from "./event.ts";
import type { HostFacts } from "./ocsf.ts";
import { messageOf } from "./text.ts";

/** The event in ECS' words; what ECS has no field for stands under `aegisbpf`. */
export function ecsOf(event: DecisionEvent, host: HostFacts): Record<string, unknown> {
  const { file, process, policy } = event;
  const denied = event.action === "deny";
  return {
    "@timestamp": event.time,
    ecs: { version: "8.17.0" },
    message: messageOf(event),
    event: {
      id: event.id,
      kind: denied ? "alert" : "event",
      category: ["file"],
      // Of the types that ECS expects in the category file.
      type: [TYPES[event.op] ?? "info"],
      action: `${event.op}-${event.action}`,
      outcome: denied ? "failure" : "success",
      severity: denied ? 4 : 5,
      module: "aegisbpf",
      dataset: "aegisbpf.events",
      provider: "aegisbpf",
    },
    host: { name: host.hostname, hostname: host.hostname },
    observer: { product: "aegisbpf", type: "file-protection", version: host.version },
    rule: { id: event.rule, name: event.rule, ruleset: policy.name, version: String(policy.serial) },
    file: {
      path: file.path,
      name: file.path.slice(file.path.lastIndexOf("/") + 1),
      directory: file.path.slice(0, file.path.lastIndexOf("/")) || "/",
      inode: String(file.ino),
      device: file.dev,
    },
    process: {
      pid: process.pid,
      name: process.comm,
      ...(process.exe === "" ? {} : { executable: process.exe }),
      parent: { pid: process.ppid },
    },
    user: { id: String(process.uid) },
    group: { id: String(process.gid) },
    aegisbpf: {
      count: event.count,
      ret: event.ret,
      backend: event.backend,
      path_source: file.path_source,
      generation: file.gen,
      start_ns: process.start_ns,
      cgroup: process.cgroup,
      policy_sha256: policy.sha256,
    },
  };
}

const TYPES: Readonly<Record<string, string>> = {
  read: "access",
  exec: "access",
  write: "change",
  truncate: "change",
  attr: "change",
  rename: "change",
  link: "creation",
  delete: "deletion",
  bind: "info",
};
