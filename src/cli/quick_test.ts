import { equal, match } from "node:assert/strict";
import { VERSION } from "../agent/version.ts";
import { EnvironmentError } from "../agent/locations.ts";
import { quickAnswer } from "./quick.ts";
import { TestHost } from "./test_support.ts";

Deno.test("quickAnswer() prints the version when that is all that is asked", async () => {
  using host = new TestHost();
  equal(await quickAnswer(["--version"], host.context), 0);
  equal(host.out, `${VERSION}\n`);
  equal(await quickAnswer(["-V"], host.context), 0);
});

Deno.test("quickAnswer() answers health with the options it knows", async () => {
  using host = new TestHost();
  equal(await quickAnswer(["health"], host.context), 1);
  match(host.out, /^off: /);
  equal(await quickAnswer(["health", "--require-enforce", "--json"], host.context), 1);
});

Deno.test("quickAnswer() leaves everything else to the whole command line", async () => {
  using host = new TestHost();
  for (const line of ["", "health --help", "health --jsn", "health now", "--version x", "stats"]) {
    equal(await quickAnswer(line === "" ? [] : line.split(" "), host.context), undefined);
  }
  equal(host.out + host.err, "");
});

Deno.test("quickAnswer() ends with 2 when the environment cannot be used", async () => {
  using host = new TestHost();
  const locations = () => {
    throw new EnvironmentError('Expected AEGISBPF_ROOT to be an absolute path, got "x"');
  };
  equal(await quickAnswer(["health"], { ...host.context, locations }), 2);
  match(host.err, /^aegisbpf: Expected AEGISBPF_ROOT/);
});
