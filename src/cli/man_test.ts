import { equal, match } from "node:assert/strict";
import { commandInfo, everyCommand } from "./command_info.ts";
import { buildProgram } from "./command_line.ts";
import { COMMANDS } from "./commands.ts";
import { RoffPage } from "./roff.ts";
import { TestHost } from "./test_support.ts";

Deno.test("man describes every command and each of its options", async () => {
  using host = new TestHost();
  equal(await host.run("man"), 0);
  const page = host.out.replaceAll("\\-", "-");
  for (const { path, commands, options } of everyCommand(commandInfo(buildProgram(host.context, COMMANDS)))) {
    if (commands.length === 0) match(page, new RegExp(`^\\.SS "aegisbpf ${path.join(" ")}[ "]`, "m"));
    for (const { flags } of options) equal(page.includes(`\\fB${flags}\\fR`), true, flags);
  }
  match(page, /^\.TH "AEGISBPF" "1"/);
});

Deno.test("man 5 describes every key of a policy", async () => {
  using host = new TestHost();
  equal(await host.run("man 5"), 0);
  for (const key of ["serial", "allow.cgroups", "rules[].paths", "rules[].except.exe"]) {
    equal(host.out.includes(`\\fB${key}\\fR`), true, key);
  }
});

Deno.test("man 8 describes backends, files and exit codes", async () => {
  using host = new TestHost();
  equal(await host.run("man 8"), 0);
  for (const term of ["fmod_ret", "/run/aegisbpf/control.sock", "70"]) {
    equal(host.out.includes(`\\fB${term}\\fR`), true, term);
  }
});

for (const section of ["1", "5", "8"]) {
  Deno.test({
    name: `man ${section} gives groff nothing to warn of`,
    ignore: !exists("/usr/bin/groff"),
    fn: async () => {
      using host = new TestHost();
      await host.run(`man ${section}`);
      const page = host.file("page", host.out);
      const { stderr } = await new Deno.Command("groff", { args: ["-man", "-ww", "-z", page] }).output();
      equal(new TextDecoder().decode(stderr), "");
    },
  });
}

Deno.test("RoffPage takes all text literally", () => {
  const page = new RoffPage("x", "1", { source: "s", manual: "m" }).paragraph(".so 'a' \\fB-x\n'b")
    .toString();
  equal(page.split("\n").slice(4).join("\n"), "\\&.so \\(aqa\\(aq \\efB\\-x\n\\(aqb\n");
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
