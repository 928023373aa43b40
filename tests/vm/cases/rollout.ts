/** Policies that are confirmed, taken back and gone back to, and many of them one after the other. All disturb the others. */

import { type Case, category, check, type Context, equal, eventually, type Setup } from "../guest/case.ts";

const disruptive = true;

/** Files as a policy's rule can name them: by path, by a path that waits, by a subtree. */
const prepare = (t: Setup): void => {
  const dir = t.dir();
  Deno.mkdirSync(`${dir}/tree`);
  t.file(`${dir}/secret`);
  t.file(`${dir}/tree/inside`);
  t.deny([`${dir}/secret`, `${dir}/late`, `${dir}/tree/**`]);
};

function opened(t: Context, ...names: string[]): string {
  return t.act.all(names.map((name) => ["open-read", `${t.dir()}/${name}`])).join();
}

/** The policy without the case's rule, in force for a while. */
async function tryWithout(t: Context, within: string): Promise<void> {
  const rules = t.policy.rules.filter((rule) => rule.id !== t.ruleId());
  await t.agent.expect(0, "policy", "apply", "--confirm-within", within, t.writePolicy({ rules }));
  equal(opened(t, "secret", "tree/inside"), "ok,ok", "the files without the rule");
}

/** Puts a file where the policy that may come back waits for one, and takes one out of its subtree. */
function move(t: Context): void {
  t.file(`${t.dir()}/late`);
  Deno.renameSync(`${t.dir()}/tree/inside`, `${t.dir()}/outside`);
  equal(opened(t, "late", "outside"), "ok,ok", "the files that were moved, without the rule");
}

async function untilDenied(t: Context): Promise<void> {
  await eventually(() => equal(opened(t, "secret"), "EPERM", "the file after the deadline"));
  equal(opened(t, "secret", "late", "outside"), "EPERM,EPERM,EPERM", "the files after the deadline");
}

async function lastEntries(t: Context, count: number): Promise<string> {
  const { entries } = await t.agent.json(0, "policy", "history", "--json");
  return entries.slice(-count).map((entry: { what: string; result: string }) =>
    `${entry.what} ${entry.result}`
  ).join();
}

/** The cases of `rollout`. */
export const rollouts: Case[] = category("rollout", [
  {
    name: "a policy that is confirmed stays, and a rollback brings the one before it back",
    disruptive,
    kernels: ["5.10-none", "6.12-bpf"],
    prepare,
    run: async (t) => {
      await tryWithout(t, "8s");
      await t.agent.expect(0, "policy", "confirm");
      await new Promise((done) => setTimeout(done, 9000));
      equal(opened(t, "secret"), "ok", "the file after the deadline");
      await t.agent.expect(0, "policy", "rollback");
      equal(opened(t, "secret", "tree/inside"), "EPERM,EPERM", "the files after the rollback");
      equal(await lastEntries(t, 3), "apply pending,confirm done,rollback done", "the history");
    },
  },
  {
    name: "a policy that nobody confirms is taken back, with what moved meanwhile",
    disruptive,
    kernels: ["6.1-bpf", "7.3-none"],
    prepare,
    run: async (t) => {
      await tryWithout(t, "8s");
      move(t);
      await untilDenied(t);
      const { reasons } = await t.agent.health();
      check(/was not confirmed in time/.test(reasons.join()), `health does not say so: ${reasons}`);
      equal(await lastEntries(t, 2), "apply pending,revert done", "the history");
    },
  },
  {
    name: "a policy that nobody confirms is taken back when the agent is dead",
    disruptive,
    kernels: ["5.10-bpf", "6.12-none"],
    prepare,
    run: async (t) => {
      await tryWithout(t, "8s");
      await t.agent.kill();
      move(t);
      await untilDenied(t);
      await t.agent.start("--events", t.events.path);
      equal(opened(t, "secret", "late", "outside"), "EPERM,EPERM,EPERM", "the files under the new agent");
      equal(await lastEntries(t, 3), "apply pending,revert done,start done", "the history");
    },
  },
  {
    name: "policies are switched many times under a stream of opens",
    // The kernel's part is the same everywhere, and this takes a quarter of a minute.
    kernels: ["6.1-bpf"],
    phases: ["alone"],
    run: switchOften,
  },
]);

/** As many as an emulated machine does in some seconds; tests/host switches a thousand times. */
const SWITCHES = 20;

/** Two policies take turns: both deny one file, each one of its own. */
async function switchOften(t: Context): Promise<void> {
  const dir = t.dir();
  const [both, even, odd] = ["both", "even", "odd"].map((name) => t.file(`${dir}/${name}`)) as [
    string,
    string,
    string,
  ];
  const policy = (turn: number) =>
    t.writePolicy({
      rules: [
        { id: t.ruleId("both"), paths: [both] },
        { id: t.ruleId(turn % 2 === 0 ? "even" : "odd"), paths: [turn % 2 === 0 ? even : odd] },
      ],
    });
  const turns = new Map<number, number>();
  const serialOf = (path: string): number => JSON.parse(Deno.readTextFileSync(path)).serial;
  const first = policy(0);
  turns.set(serialOf(first), 0);
  await t.agent.start("--policy", first, "--events", t.events.path);
  using http = Deno.createHttpClient({ proxy: { transport: "unix", path: "/run/aegisbpf/control.sock" } });
  using streams = new DisposableStack();
  const opens = [both, even, odd].map((path) => streams.use(t.act.repeat("open-read", path)));
  const end = Date.now() + 30_000;
  let turn = 0;
  while (turn < SWITCHES && Date.now() < end) {
    const path = policy(++turn);
    turns.set(serialOf(path), turn);
    const body = JSON.stringify({ source: Deno.readFileSync(path).toBase64(), file: path });
    const headers = { "content-type": "application/json" };
    const url = "http://localhost/v1/policy/apply";
    const answer = await fetch(url, { method: "POST", body, headers, client: http });
    const text = await answer.text();
    check(answer.ok, `apply ${turn}: ${text}`);
  }
  const [ofBoth = "", ofEven = "", ofOdd = ""] = await Promise.all(opens.map((stream) => stream.stop()));
  await t.agent.refusedAll(ofBoth);
  for (const result of [ofEven, ofOdd]) {
    check(/ok=\d+ EPERM=\d+/.test(result), `opens of one's own file: ${result}`);
  }
  check(turn >= SWITCHES / 4, `only ${turn} switches`);
  for (const name of ["even", "odd"]) {
    for (const event of await t.events.of(t.ruleId(name))) {
      const { serial } = event.policy as { serial: number };
      const turn = turns.get(serial);
      const parity = turn === undefined ? `of none, serial ${serial}` : turn % 2 === 0 ? "even" : "odd";
      equal(parity, name, `the policy by which the file of the ${name} ones was refused`);
    }
  }
}
