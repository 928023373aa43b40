import { deepEqual, equal } from "node:assert/strict";
import { acceptPolicy } from "../policy/testing.ts";
import type { Access } from "./access_log.ts";
import type { Outcome } from "./simulation.ts";
import { MAX_BAD_LINES, MAX_ROWS, SimulationSummary } from "./simulation_report.ts";

const [RULE] = acceptPolicy("version: 1\nname: a\nserial: 1\nrules: [{id: r, paths: [/a]}]").rules;
const ACCESS: Access = { op: "read", path: "/a", uid: 0, cgroup: "/", count: 1 };
const DENY: Outcome = { says: "deny", by: "file", ...(RULE ? { rule: RULE } : {}) };

Deno.test("SimulationSummary adds equal accesses up, denied ones and large counts first", () => {
  const summary = new SimulationSummary();
  for (const path of ["/a", "/b", "/c", "/d", "/a"]) summary.add({ ...ACCESS, path }, DENY);
  summary.add({ ...ACCESS, cgroup: "/x", count: 7 }, DENY);
  summary.add({ ...ACCESS, count: 100 }, { ...DENY, says: "audit" });
  summary.add({ ...ACCESS, count: 2 }, { says: "nothing", by: "place" });
  const report = summary.report();
  deepEqual(report.rows.map(({ action, cgroup, count, files }) => [action, cgroup, count, files.join()]), [
    ["deny", "/x", 7, "/a"],
    ["deny", "/", 5, "/a,/b,/c"],
    ["audit", "/", 100, "/a"],
  ]);
  deepEqual([report.denied, report.audited, report.allowed, report.judged], [12, 100, 2, 8]);
  deepEqual(report.by, { file: 7, place: 1, replaced: 0, identity: 0 });
});

Deno.test("SimulationSummary keeps a bounded number of rows and bad lines, and exact totals", () => {
  const summary = new SimulationSummary();
  for (let index = 0; index < MAX_ROWS + 5; index++) {
    summary.add({ ...ACCESS, exe: `/bin/${index}`, count: 2 }, DENY);
    summary.addBad(index + 1, "bad");
  }
  const report = summary.report();
  equal(report.rows.length, MAX_ROWS);
  deepEqual(report.omitted, { denied: 10, audited: 0 });
  equal(report.denied, 2 * (MAX_ROWS + 5));
  equal(report.bad.count, MAX_ROWS + 5);
  equal(report.bad.lines.length, MAX_BAD_LINES);
});
