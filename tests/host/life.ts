/**
 * The agent's life on this machine's own kernel: starting, being refused, dying, being adopted, taking policies. Each case has an
 * installation of its own. audit.ts runs this in a mount namespace of its own.
 *
 *   deno run --allow-all tests/host/life.ts --agent PATH [--only PART-OF-A-NAME]
 *
 * Prints a line of JSON for each case.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { parseArgs } from "node:util";
import { DatagramReceiver } from "../../ffi/test_receiver.ts";
import { type Cases, type Ended, Host, PATIENCE, runCases, Skip } from "./installation.ts";

const { values } = parseArgs({
  options: { agent: { type: "string", default: "" }, only: { type: "string", default: "" } },
});
const text = new TextDecoder();

const CASES: Cases = {
  "a second agent is refused with the first one's pid": async (host) => {
    await host.start("--events", "off");
    const { code, err } = await host.refused();
    strictEqual(code, 3, err);
    match(err, new RegExp(`already running, pid ${host.pid}\\b`));
    strictEqual((await host.ask("stats")).code, 0);
  },

  "an agent that was killed is followed by one that adopts what is pinned, counts and all": async (host) => {
    await host.start("--events", "off");
    await Deno.readTextFile(host.secret);
    await host.end("SIGKILL");
    ok(host.pinned);
    await Deno.readTextFile(host.secret);
    await host.start("--events", "off");
    match(host.log, /by tracepoint, adopted, pid/);
    await Deno.readTextFile(host.secret);
    strictEqual(JSON.parse((await host.ask("stats", "--json")).out).audited, 3);
    const health = JSON.parse((await host.ask("health", "--json")).out);
    deepStrictEqual([health.ok, health.posture], [true, "audit"], JSON.stringify(health));
  },

  "SIGTERM ends the agent and leaves the pins; --detach-on-exit takes them away": async (host) => {
    await host.start("--events", "off");
    strictEqual(await host.end(), 0);
    ok(host.pinned);
    await host.start("--events", "off", "--detach-on-exit");
    strictEqual(await host.end(), 0);
    ok(!host.pinned);
  },

  "what the kernel cannot enforce is refused where a fallback is, and nothing stays": async (host) => {
    host.write(1, [host.secret], "mode: enforce\n");
    const { code, err } = await host.ask("run", ...[
      ...["--policy", host.policy, "--events", "off", "--backend", "tracepoint", "--fallback", "refuse"],
    ]);
    strictEqual(code, 3, err);
    match(err, /refused to start/);
    ok(!host.pinned);
  },

  "--backend lsm is refused where the kernel does not take it, and nothing stays": async (host) => {
    host.write(1, [host.secret], "mode: enforce\n");
    using child = new StartedOrEnded(host);
    const { code, err } = await child.ended;
    strictEqual(code, 3, err);
    match(err, /backend lsm does not work here/);
    ok(!host.pinned);
  },

  "an invalid policy is refused with the place of each problem, and nothing stays": async (host) => {
    host.writeText("version: 1\nname: life\nserial: 0\nrules:\n  - id: a\n    paths: [relative]\n");
    const { code, err } = await host.refused("--backend", "tracepoint");
    strictEqual(code, 4, err);
    match(err, /policy\.yaml:3:\d+: serial/);
    match(err, /policy\.yaml:6:\d+: rules\[0\]\.paths/);
    ok(!host.pinned);
  },

  "a policy that others may write is refused": async (host) => {
    Deno.chmodSync(host.policy, 0o666);
    const { code, err } = await host.refused("--backend", "tracepoint");
    strictEqual(code, 5, err);
    ok(!host.pinned);
  },

  "an AEGISBPF_ROOT that is no absolute path is refused by name": async (host) => {
    host.environment.AEGISBPF_ROOT = "relative/root";
    const { code, err } = await host.refused();
    strictEqual(code, 2, err);
    match(err, /AEGISBPF_ROOT/);
    ok(!err.includes("    at "), "no stack trace");
  },

  "a place for pins that is no bpffs is refused with what to do": async (host) => {
    host.environment.AEGISBPF_BPFFS = host.folder;
    const { code, err } = await host.refused();
    strictEqual(code, 3, err);
    match(err, /mount -t bpf/);
  },

  "SIGHUP applies a good policy; a bad one is refused and the one in force stays": async (host) => {
    await host.start("--events", "off");
    const serial = async () => JSON.parse((await host.ask("health", "--json")).out).policy.serial;
    host.write(2);
    host.signal("SIGHUP");
    await host.until(() => host.log.includes("serial 2"), "serial 2");
    strictEqual(await serial(), 2);
    for (
      const [bad, said] of [["rules: [", "reload refused"], [
        "version: 1\nname: x\nserial: 1\nrules: []\n",
        "refused",
      ]]
    ) {
      const before = host.log.length;
      host.writeText(bad ?? "");
      host.signal("SIGHUP");
      await host.until(() => host.log.slice(before).includes(said ?? ""), "a refusal");
      strictEqual(await serial(), 2);
    }
    Deno.removeSync(host.policy);
    const before = host.log.length;
    host.signal("SIGHUP");
    await host.until(() => host.log.slice(before).includes("reload refused"), "a refusal");
    strictEqual(await serial(), 2);
    host.write(3);
    host.signal("SIGHUP");
    await host.until(() => host.log.includes("serial 3"), "serial 3");
  },

  "an agent takes over from the pins of another schema with their counts, and nothing of them stays": async (
    host,
  ) => {
    await host.start("--events", "off");
    await Deno.readTextFile(host.secret);
    await host.end("SIGKILL");
    const [own = ""] = host.schemas;
    Deno.renameSync(`${host.bpffs.path}/aegisbpf/${own}`, `${host.bpffs.path}/aegisbpf/schema-1`);
    await Deno.readTextFile(host.secret);
    const health = JSON.parse((await host.ask("health", "--json")).out);
    deepStrictEqual([health.ok, health.agent], [false, null]);
    await host.start("--events", "off");
    match(host.log, /created, pid/);
    await host.until(
      () => /took over from the programs pinned in .*schema-1, with their counts/.test(host.log),
      "the old pins to go",
    );
    deepStrictEqual(host.schemas, [own]);
    await Deno.readTextFile(host.secret);
    strictEqual(JSON.parse((await host.ask("stats", "--json")).out).audited, 3);
    strictEqual((await host.ask("health")).code, 0);
  },

  "the service manager is told of readiness, of each heartbeat and of a reload": async (host) => {
    const path = `${host.folder}/notify`;
    using receiver = new DatagramReceiver(path);
    host.environment.NOTIFY_SOCKET = path;
    host.environment.WATCHDOG_USEC = "30000000";
    const told = async (line: RegExp) => {
      let messages = "";
      await host.until(() => {
        const message = text.decode(receiver.receive());
        messages += `${message}\n`;
        return line.test(message);
      }, `${line}`);
      return messages;
    };
    await host.start("--events", "off");
    await told(/^READY=1\nSTATUS=audit: 1 rules of life \(serial 1\), by tracepoint$/);
    await told(/^WATCHDOG=1$/);
    host.write(2);
    host.signal("SIGHUP");
    match(await told(/^READY=1\nSTATUS=.*serial 2/), /RELOADING=1\nMONOTONIC_USEC=\d+\n/);
    host.signal("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 2500));
    while (receiver.receive().length > 0);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    strictEqual(receiver.receive().length, 0, "no heartbeat of an agent that hangs");
    host.signal("SIGCONT");
    await told(/^WATCHDOG=1/);
    strictEqual(await host.end(), 0);
    await told(/^STOPPING=1$/);
  },

  "the capabilities of the unit are enough": async (host) => {
    const unit = Deno.readTextFileSync(new URL("../../systemd/aegisbpf.service", import.meta.url));
    const [, names = ""] = /^CapabilityBoundingSet=(.*)$/m.exec(unit) ?? [];
    const set = names.split(" ").map((name) => `+${name.replace("CAP_", "").toLowerCase()}`);
    host.wrapper = ["setpriv", "--no-new-privs", `--bounding-set=-all,${set.join()}`, `--inh-caps=-all`];
    const folder = `${host.folder}/private`;
    Deno.mkdirSync(folder, { mode: 0o700 });
    Deno.chownSync(folder, 1000, 1000);
    Deno.writeTextFileSync(`${folder}/secret`, "", { mode: 0o600 });
    Deno.chownSync(`${folder}/secret`, 1000, 1000);
    host.write(1, [`${folder}/secret`]);
    await host.start("--events", "off", "--metrics", "127.0.0.1:0");
    const bounding = /^CapBnd:\t(\w+)$/m.exec(Deno.readTextFileSync(`/proc/${host.pid}/status`))?.[1] ?? "";
    ok(BigInt(`0x${bounding}`).toString(2).replaceAll("0", "").length <= set.length, bounding);
    host.wrapper = [];
    await Deno.readTextFile(`${folder}/secret`);
    strictEqual(JSON.parse((await host.ask("stats", "--json")).out).audited, 1);
    deepStrictEqual(JSON.parse((await host.ask("health", "--json")).out).policy.waiting, 0);
    const [url = ""] = /http:\S+/.exec(host.log) ?? [];
    strictEqual((await fetch(url)).status, 200);
    host.write(2, [`${folder}/secret`, host.secret]);
    host.signal("SIGHUP");
    await host.until(() => host.log.includes("serial 2"), "serial 2");
    await host.end("SIGKILL");
    host.wrapper = ["setpriv", "--no-new-privs", `--bounding-set=-all,${set.join()}`, `--inh-caps=-all`];
    await host.start("--events", "off");
    match(host.log, /adopted, pid/);
    strictEqual(await host.end(), 0);
  },

  "whoever wears out the control socket keeps health from nothing": async (host) => {
    await host.start("--events", "off");
    const path = `${host.folder}/root/run/aegisbpf/control.sock`;
    const send = async (text: string) => {
      const connection = await Deno.connect({ transport: "unix", path });
      await connection.write(new TextEncoder().encode(text));
      return connection;
    };
    const open = [];
    for (let index = 0; index < 1000; index++) open.push(await send(index % 2 === 0 ? "" : "GET /v1/he"));
    const large = await send(`POST /v1/policy/apply HTTP/1.1\r\nContent-Length: ${100 << 20}\r\n\r\n`);
    const flood = (async () => {
      for (let sent = 0; sent < 100; sent++) await large.write(new Uint8Array(1 << 20));
    })().catch(() => {});
    const slow = await send("POST /v1/policy/apply HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{");
    for (
      const wrong of [
        "{",
        "\0",
        "GET / HTTP/1.1\r\n\r\n",
        `POST /v1/deny/add HTTP/1.1\r\nContent-Length: 1\r\n\r\n{`,
      ]
    ) {
      open.push(await send(wrong));
    }
    const health = JSON.parse((await host.ask("health", "--json")).out);
    // It gives up on an agent that takes longer than 0.7 s.
    deepStrictEqual([health.ok, health.agent?.pid], [true, host.pid], JSON.stringify(health));
    await flood;
    const descriptors = [...Deno.readDirSync(`/proc/${host.pid}/fd`)].length;
    ok(descriptors < 150, `${descriptors} descriptors`);
    for (const connection of [...open, large, slow]) connection.close();
    strictEqual((await host.ask("health")).code, 0);
    strictEqual(await host.end(), 0);
  },

  "metrics are served where they are asked for, and a taken address is refused by name": async (host) => {
    await host.start("--events", "off", "--metrics", "127.0.0.1:0");
    const [url = ""] = /http:\S+/.exec(host.log) ?? [];
    await Deno.readTextFile(host.secret);
    const metrics = await (await fetch(url)).text();
    match(metrics, /^aegisbpf_decisions_total\{rule="watched",op="read",action="audit"\} 1$/m);
    await host.end();
    const taken = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const address = `127.0.0.1:${taken.addr.port}`;
    const { code, err } = await host.refused("--backend", "tracepoint", "--metrics", address);
    taken.close();
    strictEqual(code, 2, err);
    match(err, /Cannot serve metrics at 127\.0\.0\.1:\d+/);
  },

  "events that cannot be written are refused before anything is attached": async (host) => {
    const { code, err } = await host.ask("run", ...[
      ...["--policy", host.policy, "--backend", "tracepoint", "--events", `${host.folder}/missing/events`],
    ]);
    strictEqual(code, 2, err);
    match(err, /Cannot write events/);
    ok(!host.pinned);
  },

  "nobody reading the events keeps neither health from being told nor the agent from ending": async (
    host,
  ) => {
    const paths = Array.from({ length: 400 }, (_, index) => `${host.folder}/file${index}`);
    for (const path of paths) Deno.writeTextFileSync(path, "");
    host.write(1, paths);
    await host.start("--events", "-");
    for (const path of paths) Deno.readTextFileSync(path);
    await host.until(async () => {
      const { events } = JSON.parse((await host.ask("stats", "--json")).out);
      return events.delivered >= 400;
    }, "the events");
    const started = Date.now();
    const health = JSON.parse((await host.ask("health", "--json")).out);
    strictEqual(health.ok, true, JSON.stringify(health));
    ok(Date.now() - started < PATIENCE / 2);
    ok(health.agent.heartbeat_age_s < 10);
    strictEqual(await host.end(), 0);
    match(host.log, /events: \d+ events were not written to standard output at the end/);
  },
};

/** An agent by the lsm backend: on a kernel that takes it, it comes up and is ended again. */
class StartedOrEnded implements Disposable {
  readonly ended: Promise<Ended>;
  readonly #child: Deno.ChildProcess;

  constructor(host: Host) {
    this.#child = new Deno.Command(values.agent, {
      args: [
        "run",
        "--policy",
        host.policy,
        "--events",
        "off",
        "--backend",
        "lsm",
        "--fallback",
        "refuse",
        "--detach-on-exit",
      ],
      env: host.environment,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.ended = this.#wait();
  }

  async #wait(): Promise<Ended> {
    let err = "";
    for await (const chunk of this.#child.stderr) {
      err += text.decode(chunk, { stream: true });
      if (/by lsm, created, pid/.test(err)) this.#child.kill("SIGTERM");
    }
    const { code } = await this.#child.status;
    if (/by lsm, created, pid/.test(err)) throw new Skip("this kernel takes lsm programs");
    return { code, err };
  }

  [Symbol.dispose](): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended.
      if (!(error instanceof TypeError)) throw error;
    }
  }
}

await runCases("agent", CASES, values);
