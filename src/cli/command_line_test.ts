import { equal, match } from "node:assert/strict";
import { VERSION } from "../agent/version.ts";
import { FakeAgent, TestHost } from "./test_support.ts";
import { everyCommand } from "./command_info.ts";
import { commandInfo } from "./command_info.ts";
import { buildProgram } from "./command_line.ts";
import { COMMANDS } from "./commands.ts";

const USAGE = [
  ["helth", /unknown command 'helth'\n\(Did you mean health\?\)\nExpected: aegisbpf \[options\] \[command\]/],
  ["policy aply x", /unknown command 'aply'\n\(Did you mean apply\?\)/],
  [
    "policy validate",
    /missing required argument 'FILE'\nExpected: aegisbpf policy validate \[options\] <FILE>/,
  ],
  ["policy validate a b", /too many arguments .*\nExpected: aegisbpf policy validate/],
  ["health --jsn", /unknown option '--jsn'\n\(Did you mean --json\?\)/],
  ["run --mode enforcd", /Expected one of enforce, audit\.\n\(Did you mean enforce\?\)/],
  ["run --backend ebpf", /Expected one of lsm, fmod_ret, fentry, tracepoint\./],
  ["run --policy", /option '--policy <FILE>' argument missing/],
  ["stats --by ruel", /Expected one of rule, cgroup, inode, path\.\n\(Did you mean rule\?\)/],
  ["policy show --json --source", /'--source' cannot be used with option '--json'/],
  ["completions csh", /Expected one of bash, zsh, fish\.\n/],
  ["man 7", /Expected one of 1, 5, 8\./],
] as const;

for (const [line, expected] of USAGE) {
  Deno.test(`runCommandLine() says what was expected and ends with 2 when given "${line}"`, async () => {
    using host = new TestHost();
    equal(await host.run(line), 2);
    equal(host.out, "");
    match(host.err, /^aegisbpf: /);
    match(host.err, expected);
    match(host.err, /\nSee aegisbpf .*--help\n$/);
  });
}

Deno.test("runCommandLine() prints the help on standard error and ends with 2 when given nothing", async () => {
  using host = new TestHost();
  equal(await host.run(""), 2);
  equal(host.out, "");
  match(host.err, /^Usage: aegisbpf/);
});

Deno.test("runCommandLine() prints the version when it stands before other words", async () => {
  using host = new TestHost();
  equal(await host.run("--version policy"), 0);
  equal(host.out, `${VERSION}\n`);
});

Deno.test("runCommandLine() prints help on standard output for every command", async () => {
  using host = new TestHost();
  for (const { path, description } of everyCommand(commandInfo(buildProgram(host.context, COMMANDS)))) {
    equal(await host.run([...path, "--help"].join(" ")), 0);
    match(host.out, new RegExp(`^Usage: ${["aegisbpf", ...path].join(" ")}`));
    equal(host.err, "");
    match(description, /\.$/);
  }
});

Deno.test("runCommandLine() says how to start the agent and ends with 2 when none runs", async () => {
  using host = new TestHost();
  for (const line of ["stats", "policy show", "policy export", `policy apply ${host.file("p.yaml", "")}`]) {
    equal(await host.run(line), 2);
    match(
      host.err,
      /^aegisbpf: no agent is running .*; start it with systemctl start aegisbpf or aegisbpf run\n$/,
    );
  }
});

Deno.test("runCommandLine() ends with 70 and a line on stacks when something is wrong inside", async () => {
  using host = new TestHost();
  await using _agent = new FakeAgent(host, () => ({ denied: 1 }));
  equal(await host.run("stats"), 70);
  match(
    host.err,
    /^aegisbpf: internal error: [^\n]+\naegisbpf: run it again with AEGISBPF_DEBUG=1 for the stack\n$/,
  );
});
