import { deepEqual, equal } from "node:assert/strict";
import { libbpf } from "../../ffi/library.ts";
import { recordFolder, recordPath } from "../events/record_files.ts";
import { decisionEvent } from "../events/test_support.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";
import { parsePolicy } from "../policy/parse.ts";
import { simulateRecorded } from "./simulated.ts";
import { TestHost } from "./test_support.ts";

// Opened within a test it would count as a leak of that test.
useShippedLibbpf();
libbpf();

const SINCE = Date.parse("2026-01-02T00:00:00Z");

function candidate(host: TestHost) {
  host.file("key", "key");
  const text = `version: 1\nname: sim\nserial: 3\nrules: [{ id: key, paths: [${host.root}/key] }]\n`;
  const parsed = parsePolicy(new TextEncoder().encode(text), "p.yaml");
  if (!parsed.ok) throw new Error("Expected a valid policy");
  return parsed.policy;
}

function record(host: TestHost, times: readonly string[]): string {
  const state = `${host.root}/state`;
  Deno.mkdirSync(recordFolder(state), { recursive: true });
  const lines = times.map((time) => {
    const event = decisionEvent();
    return JSON.stringify({
      ...event,
      time,
      count: 2,
      file: { ...event.file, ino: 0, path: `${host.root}/key` },
    });
  });
  Deno.writeTextFileSync(recordPath(recordFolder(state), 1), `${lines.join("\n")}\n`);
  return state;
}

Deno.test("simulateRecorded() judges what was recorded since a time", async () => {
  using host = new TestHost();
  const state = record(host, ["2026-01-01T23:59:59Z", "2026-01-02T00:00:01Z", "2026-01-02T03:00:00Z"]);
  const report = await simulateRecorded(candidate(host), "p.yaml", state, SINCE);
  deepEqual([report?.judged, report?.denied], [2, 4]);
});

Deno.test("simulateRecorded() answers nothing where nothing was recorded", async () => {
  using host = new TestHost();
  equal(await simulateRecorded(candidate(host), "p.yaml", `${host.root}/none`, SINCE), undefined);
  const state = record(host, ["2026-01-01T23:59:59Z"]);
  equal(await simulateRecorded(candidate(host), "p.yaml", state, SINCE), undefined);
});
