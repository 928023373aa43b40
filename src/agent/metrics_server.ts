/**
 * `run --metrics`: answers Prometheus on a socket of its own.
 *
 * @module
 */
import { ApplyMetrics } from "../metrics/apply_metrics.ts";
import { type AgentFacts, CONTENT_TYPE, metricsText } from "../metrics/exposition.ts";
import { readKernel } from "../metrics/kernel_reading.ts";
import type { Agent } from "./agent.ts";
import { POSTURES } from "./api.ts";
import { type RunningServer, serveBounded } from "./bounded_server.ts";
import { DEGRADATIONS } from "./degradation.ts";
import { postureOf } from "./health.ts";
import type { MetricsAddress } from "./metrics_address.ts";
import { Refusal } from "./refusal.ts";
import { VERSION } from "./version.ts";
import { actionName, opName, summaryOf } from "./views.ts";

/** Metrics that are counted, and asked for where that is wanted. */
export class MetricsServer implements Disposable {
  /** Counts policies that are applied. */
  readonly applies: ApplyMetrics = new ApplyMetrics();
  readonly #listener: Deno.TcpListener;
  #served = false;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Takes the address; nobody is answered yet.
   *
   * @throws {Refusal} 2 if it cannot be had.
   */
  constructor(address: MetricsAddress) {
    const { hostname, port } = address;
    try {
      this.#listener = Deno.listen({ hostname, port });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Refusal(
        2,
        `Cannot serve metrics at ${hostname}:${port}: ${reason}; choose another with --metrics`,
      );
    }
  }

  /** Where it listens; the port is one that was free where 0 was asked for. */
  get url(): string {
    const { hostname, port } = this.#listener.addr;
    return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/metrics`;
  }

  /** Answers until `signal` is aborted. */
  serve(agent: Agent, signal: AbortSignal): RunningServer {
    this.#served = true;
    return serveBounded(this.#listener, {
      answer: (request) => this.#answer(agent, request),
      refuse: plain,
      fault: (error) => this.#fault(agent, error),
      bounds: { connections: 16 },
    }, signal);
  }

  #fault({ log }: Agent, error: unknown): void {
    log(`internal error in metrics: ${error instanceof Error ? error.stack : error}`);
  }

  /** Lets the address go where nobody was answered. */
  [Symbol.dispose](): void {
    if (!this.#served) this.#listener.close();
  }

  /** Scrapes wait for each other, so that the agent is never asked for more than one at a time. */
  #answer(agent: Agent, request: Request): Promise<Response> {
    const answer = this.#last.then(() => this.#scrape(agent, request));
    this.#last = answer;
    return answer;
  }

  async #scrape(agent: Agent, { method, url }: Request): Promise<Response> {
    if (new URL(url).pathname !== "/metrics") return plain(404, "Metrics are at /metrics");
    if (method !== "GET" && method !== "HEAD") return plain(405, "Expected GET");
    try {
      const text = await metricsText(await readKernel(agent.state), factsOf(agent), this.applies);
      return new Response(text, { headers: { "content-type": CONTENT_TYPE } });
    } catch (error) {
      this.#fault(agent, error);
      return plain(500, "Internal error; the agent's log says more");
    }
  }
}

function factsOf({ state, engine, degradation, unwritten }: Agent): AgentFacts {
  degradation.look();
  return {
    version: VERSION,
    posture: postureOf(state, engine),
    postures: POSTURES,
    backend: state.backend,
    degradations: degradation.present.map(({ code }) => ({ code, severity: DEGRADATIONS[code] })),
    unwritten,
    policy: engine.current && summaryOf(engine.current),
    ruleName: (rule) => engine.numbers.nameOf(rule) ?? `rule-${rule}`,
    opName,
    actionName,
  };
}

function plain(status: number, message: string): Response {
  return new Response(`${message}\n`, { status });
}
