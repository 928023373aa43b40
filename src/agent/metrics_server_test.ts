import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { existsSync } from "node:fs";
import { Agent } from "./agent.ts";
import { EventOutlets } from "./event_outlets.ts";
import { parseMetricsAddress } from "./metrics_address.ts";
import { MetricsServer } from "./metrics_server.ts";
import { policyBytes, refusalOf, TestInstallation } from "./test_support.ts";

const LOCAL = { hostname: "127.0.0.1", port: 0 };

/** An agent whose metrics are served. */
class Scraped implements AsyncDisposable {
  readonly host = new TestInstallation();
  readonly metrics = new MetricsServer(LOCAL);
  readonly logged: string[] = [];
  readonly agent: Agent;
  readonly #abort = new AbortController();
  readonly #running: Promise<unknown>;

  constructor() {
    const { up, pins, store, places } = this.host;
    this.agent = new Agent({
      ...{ up, pins, store, locations: places, version: "1.2.3", applies: this.metrics.applies },
      outlets: new EventOutlets([]),
      log: (line) => this.logged.push(line),
    });
    this.#running = Promise.all([
      this.agent.run(),
      this.metrics.serve(this.agent, this.#abort.signal).finished,
    ]);
  }

  async get(url: string = this.metrics.url, init?: RequestInit): Promise<{ status: number; text: string }> {
    const response = await fetch(url, init);
    return { status: response.status, text: await response.text() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agent.stop();
    this.#abort.abort();
    await this.#running;
    this.host[Symbol.dispose]();
  }
}

/** The value of a series; undefined where there is none. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split("\n").find((line) => line.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

async function promtool(text: string): Promise<string> {
  const child = new Deno.Command("promtool", {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stderr } = await child.output();
  return `${code}: ${new TextDecoder().decode(stderr)}`;
}

Deno.test("MetricsServer answers what stats say at the same instant, in words that Prometheus takes", async () => {
  await using scraped = new Scraped();
  const { agent, host, metrics } = scraped;
  const path = host.file("watched");
  agent.apply({
    bytes: policyBytes({ paths: [path, `${host.folder}/waiting`] }),
    source: "",
    file: "p.yaml",
  });
  refusalOf(() => agent.apply({ bytes: new Uint8Array(), source: "", file: "p.yaml" }));
  for (let index = 0; index < 50; index++) Deno.readTextFileSync(path);
  const { status, text } = await scraped.get();
  strictEqual(status, 200);
  const { audited, events, rows } = agent.stats("rule");
  deepStrictEqual([audited, rows], [50, [{ key: "watched", op: "read", action: "audit", count: 50 }]]);
  strictEqual(valueOf(text, 'aegisbpf_decisions_total{rule="watched",op="read",action="audit"}'), 50);
  for (const name of ["emitted", "delivered", "coalesced"] as const) {
    strictEqual(valueOf(text, `aegisbpf_events_${name}_total`), events[name], name);
  }
  strictEqual(valueOf(text, 'aegisbpf_events_dropped_total{reason="ring_full"}'), events.dropped);
  strictEqual(valueOf(text, 'aegisbpf_posture{posture="audit"}'), 1);
  strictEqual(valueOf(text, 'aegisbpf_posture{posture="enforce"}'), 0);
  strictEqual(valueOf(text, 'aegisbpf_backend_info{backend="tracepoint"}'), 1);
  deepStrictEqual([valueOf(text, "aegisbpf_policy_rules"), valueOf(text, "aegisbpf_policy_waiting_paths")], [
    1,
    1,
  ]);
  deepStrictEqual(
    ["applied", "refused", "unchanged", "failed"].map((result) =>
      valueOf(text, `aegisbpf_policy_apply_total{result="${result}"}`)
    ),
    [1, 1, 0, 0],
  );
  strictEqual(valueOf(text, "aegisbpf_policy_apply_duration_seconds_count"), 1);
  ok(Math.abs((valueOf(text, "aegisbpf_heartbeat_timestamp_seconds") ?? 0) - Date.now() / 1000) < 10);
  strictEqual(valueOf(text, 'aegisbpf_map_entries{map="flows"}'), 1);
  strictEqual(valueOf(text, 'aegisbpf_map_max_entries{map="flows"}'), 1 << 16);
  ok((valueOf(text, 'aegisbpf_kernel_memory_bytes{map="records"}') ?? 0) >= 4 << 20);
  strictEqual(valueOf(text, 'aegisbpf_degradation{code="audit_only",severity="notice"}'), 1);
  match(metrics.url, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  if (existsSync("/usr/bin/promtool")) strictEqual(await promtool(text), "0: ");
});

Deno.test("MetricsServer has the names of the contract and no others", async () => {
  await using scraped = new Scraped();
  const { text } = await scraped.get();
  const names = [...text.matchAll(/^# TYPE aegisbpf_(\w+) (\w+)$/gm)].map(([, name, type]) =>
    `${name} ${type}`
  );
  deepStrictEqual(names.filter((name) => !name.startsWith("hook_runtime")).toSorted(), [
    "backend_info gauge",
    "build_info gauge",
    "decisions_total counter",
    // Of its section 2: each step down is named in the metrics.
    "degradation gauge",
    "events_coalesced_total counter",
    "events_delivered_total counter",
    "events_dropped_total counter",
    "events_emitted_total counter",
    // Beside it: what was lost on the way out of the agent.
    "events_unwritten_total counter",
    "heartbeat_timestamp_seconds gauge",
    "kernel_memory_bytes gauge",
    "map_entries gauge",
    "map_max_entries gauge",
    "policy_apply_duration_seconds histogram",
    "policy_apply_total counter",
    "policy_info gauge",
    "policy_rules gauge",
    "policy_waiting_paths gauge",
    "posture gauge",
  ]);
});

Deno.test("MetricsServer refuses other paths and methods, and answers many at once", async () => {
  await using scraped = new Scraped();
  const { url } = scraped.metrics;
  deepStrictEqual(await scraped.get(url.replace("/metrics", "/")), {
    status: 404,
    text: "Metrics are at /metrics\n",
  });
  strictEqual((await scraped.get(url, { method: "POST" })).status, 405);
  strictEqual((await scraped.get(url, { method: "POST", body: "x" })).status, 413);
  const answers = await Promise.all(Array.from({ length: 10 }, () => scraped.get()));
  deepStrictEqual(answers.map(({ status }) => status), new Array(10).fill(200));
});

Deno.test("MetricsServer says why an address cannot be had, and lets go of one that it does not serve", () => {
  const taken = Deno.listen(LOCAL);
  const refusal = refusalOf(() => new MetricsServer({ ...LOCAL, port: taken.addr.port }));
  strictEqual(refusal.exit, 2);
  match(refusal.message, /Cannot serve metrics at 127\.0\.0\.1:\d+: .*in use.*--metrics/);
  taken.close();
  using metrics = new MetricsServer({ ...LOCAL, port: taken.addr.port });
  void metrics;
});

Deno.test("parseMetricsAddress() takes ADDR:PORT and [ADDR]:PORT, and nothing else", () => {
  deepStrictEqual(parseMetricsAddress("127.0.0.1:9464"), { hostname: "127.0.0.1", port: 9464 });
  deepStrictEqual(parseMetricsAddress("[::1]:0"), { hostname: "::1", port: 0 });
  deepStrictEqual(parseMetricsAddress("localhost:65535"), { hostname: "localhost", port: 65535 });
  for (
    const text of [
      "",
      "9464",
      ":9464",
      "::1:9464",
      "localhost",
      "localhost:",
      "localhost:65536",
      "a b:1",
      "[x]:1",
    ]
  ) {
    strictEqual(parseMetricsAddress(text), undefined, text);
  }
});
