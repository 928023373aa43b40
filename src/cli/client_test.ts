import { equal, match, rejects } from "node:assert/strict";
import { AgentClient, AgentError, type AgentErrorKind, RefusedError } from "./client.ts";
import { FakeAgent, refusal, TestHost } from "./test_support.ts";

async function expectKind(socket: string, kind: AgentErrorKind, bounds = {}): Promise<string> {
  using client = new AgentClient(socket);
  let message = "";
  await rejects(client.get("/v1/health", bounds), (error) => {
    if (!(error instanceof AgentError)) throw error;
    message = error.message;
    equal(error.kind, kind);
    equal(message.includes("\n"), false);
    return true;
  });
  return message;
}

Deno.test("get() gives the parsed answer when the agent answers", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => ({ denied: 3 }));
  using client = new AgentClient(host.places.socket);
  equal((await client.get<{ denied: number }>("/v1/stats?by=rule")).denied, 3);
  equal(agent.asked[0]?.path, "/v1/stats?by=rule");
});

Deno.test("post() sends JSON", async () => {
  using host = new TestHost();
  await using agent = new FakeAgent(host, () => ({}));
  using client = new AgentClient(host.places.socket);
  await client.post("/v1/policy/apply", { source: "x" });
  equal(agent.asked[0]?.method, "POST");
  equal(agent.asked[0]?.body, '{"source":"x"}');
});

Deno.test("get() throws absent when there is no socket", async () => {
  using host = new TestHost();
  match(await expectKind(host.places.socket, "absent"), /there is no .*; start it with/);
});

Deno.test("get() throws left when nobody listens at the socket", async () => {
  using host = new TestHost();
  Deno.listen({ transport: "unix", path: host.places.socket }).close();
  match(await expectKind(host.places.socket, "left"), /nobody listens at/);
});

Deno.test("get() throws silent when the agent does not answer in time", async () => {
  using host = new TestHost();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  await using _agent = new FakeAgent(host, () => promise);
  match(await expectKind(host.places.socket, "silent", { timeoutMs: 50 }), /within 0.05 s/);
  resolve({});
});

Deno.test("get() throws garbled when the answer is not JSON, not HTTP, or too large", async () => {
  using host = new TestHost();
  {
    await using _agent = new FakeAgent(host, () => new Response("no JSON"));
    await expectKind(host.places.socket, "garbled");
  }
  {
    await using _agent = new FakeAgent(host, () => new Response("x".repeat(100)));
    match(await expectKind(host.places.socket, "garbled", { maxBytes: 99 }), /more than 99 bytes/);
  }
  {
    await using _agent = new FakeAgent(host, () => new Response("gone", { status: 502 }));
    match(await expectKind(host.places.socket, "garbled"), /HTTP status 502/);
  }
  using listener = Deno.listen({ transport: "unix", path: host.places.socket });
  const talk = (async () => {
    for await (const connection of listener) {
      // The bare connection that tells whether somebody listens is closed at once.
      await connection.write(new TextEncoder().encode("SSH-2.0-x\r\n")).catch(() => {});
      connection.close();
    }
  })();
  await expectKind(host.places.socket, "garbled");
  listener.close();
  await talk;
});

Deno.test("get() throws the agent's refusal with its exit code and problems", async () => {
  using host = new TestHost();
  const problem = { file: "p", line: 1, column: 2, path: "", message: "wrong" };
  await using _agent = new FakeAgent(host, () => refusal(4, "not valid", [problem]));
  using client = new AgentClient(host.places.socket);
  await rejects(client.get("/v1/policy"), (error) => {
    if (!(error instanceof RefusedError)) throw error;
    equal(error.exit, 4);
    equal(error.message, "not valid");
    equal(error.problems[0]?.column, 2);
    return true;
  });
});

Deno.test("get() takes an exit code that there is not, or of success, for an internal error", async () => {
  using host = new TestHost();
  for (const exit of [0, 99]) {
    await using _agent = new FakeAgent(host, () => refusal(exit, "odd"));
    using client = new AgentClient(host.places.socket);
    await rejects(client.get("/v1/policy"), (error) => error instanceof RefusedError && error.exit === 70);
  }
});

Deno.test({
  name: "get() throws forbidden when the socket is for another user",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    using host = new TestHost();
    await using _agent = new FakeAgent(host, () => ({}));
    Deno.chmodSync(host.places.socket, 0o600);
    Deno.chmodSync(host.root, 0o755);
    const module = new URL("client.ts", import.meta.url).pathname;
    const folder = `${host.root}/as-nobody`;
    Deno.mkdirSync(folder, { mode: 0o777 });
    Deno.chmodSync(folder, 0o777);
    const bundle = `${folder}/probe.ts`;
    Deno.writeTextFileSync(
      bundle,
      `import { AgentClient } from ${JSON.stringify(module)};
       using client = new AgentClient(${JSON.stringify(host.places.socket)});
       try { await client.get("/v1/health"); } catch (error) { console.log(error.kind, error.message); }`,
    );
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", "--no-check", bundle],
      uid: 65534,
      gid: 65534,
      env: { DENO_DIR: folder, HOME: folder, NO_COLOR: "1" },
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    match(`${out}${err}`, /^forbidden .* is not for this user; run this as root\n$/);
  },
});
