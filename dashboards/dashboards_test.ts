/** Holds alerts and dashboard against promtool, and against the metrics that the agent has. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { ApplyMetrics } from "../src/metrics/apply_metrics.ts";
import { metricsText } from "../src/metrics/exposition.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

function promtool(...args: string[]): { code: number; text: string } {
  const { code, stdout, stderr } = new Deno.Command("promtool", { args, cwd: FOLDER }).outputSync();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

function hasPromtool(): boolean {
  try {
    return promtool("--version").code === 0;
  } catch {
    return false;
  }
}

const ignore = !hasPromtool();

/** Names of every metric, as Prometheus stores them. */
async function metricNames(): Promise<Set<string>> {
  const text = await metricsText(
    {
      counters: {
        ...{ DENIED: 0n, AUDITED: 0n, EMITTED: 0n, DELIVERED: 0n, COALESCED: 0n, DROPPED_RING_FULL: 0n },
        ...{ UNTRACKED_RULE: 0n, UNTRACKED_FLOW: 0n, LEARNT: 0n, LEARN_FAILED: 0n, CANARY_SEEN: 0n },
      },
      decisions: [],
      heartbeat: 0,
      maps: [],
      programs: [{ program: "p", seconds: 0 }],
    },
    {
      ...{ version: "", posture: "off", postures: ["off"], backend: "lsm", policy: undefined },
      degradations: [],
      unwritten: [],
      ...{ ruleName: String, opName: String, actionName: String },
    },
    new ApplyMetrics(),
  );
  const names = [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].flatMap(([, name = "", type]) =>
    type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => `${name}${end}`) : [name]
  );
  return new Set(names);
}

async function checkExpressions(expressions: readonly string[]): Promise<void> {
  const known = await metricNames();
  const used = expressions.flatMap((expression) => expression.match(/\baegisbpf_\w+/g) ?? []);
  deepStrictEqual([...new Set(used)].filter((name) => !known.has(name)), []);
}

interface Panel {
  readonly id: number;
  readonly targets: readonly { readonly expr: string }[];
}

const DASHBOARD = JSON.parse(Deno.readTextFileSync(`${FOLDER}/aegisbpf.grafana.json`)) as {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
};

Deno.test("the alerts are rules that promtool takes", { ignore }, () => {
  const { code, text } = promtool("check", "rules", "--lint=all", "--lint-fatal", "aegisbpf.rules.yaml");
  strictEqual(code, 0, text);
});

Deno.test("the alerts fire when they are to, and not otherwise", { ignore }, () => {
  const { code, text } = promtool("test", "rules", "aegisbpf.rules.test.yaml");
  strictEqual(code, 0, text);
});

Deno.test("the alerts name metrics that there are, and each is tested", async () => {
  const { groups } = parse(Deno.readTextFileSync(`${FOLDER}/aegisbpf.rules.yaml`)) as {
    groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
  };
  const rules = groups.flatMap(({ rules }) => rules);
  await checkExpressions(rules.map(({ expr }) => expr));
  const tests = Deno.readTextFileSync(`${FOLDER}/aegisbpf.rules.test.yaml`);
  for (const { alert, annotations } of rules) {
    ok(annotations.summary && annotations.description, alert);
    ok(tests.includes(`alertname: ${alert}\n`), `${alert} is not seen firing`);
  }
});

Deno.test("the dashboard's expressions name metrics that there are", async () => {
  const { panels, templating, uid } = DASHBOARD;
  strictEqual(uid, "aegisbpf");
  const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  ok(expressions.length >= panels.length && panels.every(({ targets }) => targets.length > 0));
  await checkExpressions([...expressions, JSON.stringify(templating)]);
  strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length);
});

Deno.test("the dashboard's expressions are ones that promtool takes", { ignore }, () => {
  const expressions = DASHBOARD.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  const rules = expressions.map((expr, index) => ({
    record: `panel:${index}`,
    // Grafana fills these in.
    expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".*"),
  }));
  const file = Deno.makeTempFileSync({ suffix: ".yaml" });
  try {
    Deno.writeTextFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    const { code, text } = promtool("check", "rules", "--lint=none", file);
    strictEqual(code, 0, text);
  } finally {
    Deno.removeSync(file);
  }
});
