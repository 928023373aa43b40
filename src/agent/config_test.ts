import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { formatProblem } from "../policy/problem.ts";
import { DEFAULT_CONFIG, MAX_CONFIG_BYTES, parseConfig, readConfig } from "./config.ts";
import { refusalOf } from "./test_support.ts";

const parse = (text: string) => parseConfig(new TextEncoder().encode(text), "c.yaml");
const problemsOf = (text: string) => refusalOf(() => parse(text)).problems.map(formatProblem);

Deno.test("parseConfig() reads every key, and fills in defaults", () => {
  const text = "require_signature: true\nsigners: [alice@example.com]\n";
  deepStrictEqual(parse(text), { require_signature: true, signers: ["alice@example.com"] });
  deepStrictEqual(parse("require_signature: false"), { require_signature: false });
  deepStrictEqual(parse("{}"), DEFAULT_CONFIG);
});

Deno.test("parseConfig() takes a file that says nothing for the defaults", () => {
  for (const text of ["", "\n", "# comment\n", "\n  # one\r\n# two"]) {
    deepStrictEqual(parse(text), { require_signature: false });
  }
});

Deno.test("parseConfig() tells every problem with its place and what was expected", () => {
  deepStrictEqual(problemsOf("require_signatur: true\nsigners: []\n"), [
    'c.yaml:1:1: require_signatur: unknown key "require_signatur" (did you mean "require_signature"?); ' +
    "expected one of require_signature, signers",
    "c.yaml:2:10: signers: the list is empty; expected at least one entry",
  ]);
  deepStrictEqual(problemsOf("require_signature: yes"), [
    'c.yaml:1:20: require_signature: found "yes"; expected true or false',
  ]);
  deepStrictEqual(problemsOf("signers: ['*']"), [
    'c.yaml:1:11: signers[0]: "*" is not well formed; expected a principal such as alice@example.com, ' +
    "without patterns",
  ]);
  match(problemsOf("- a")[0] ?? "", /^c\.yaml:1:1: found a list; expected a mapping$/);
  match(problemsOf("require_signature: &a true")[0] ?? "", /^c\.yaml:1:20: the anchor/);
  match(problemsOf("require_signature: true\nrequire_signature: false")[0] ?? "", /^c\.yaml:2:1: /);
});

Deno.test("parseConfig() refuses what is not UTF-8", () => {
  const refusal = refusalOf(() => parseConfig(new Uint8Array([0x61, 0xff]), "c.yaml"));
  strictEqual(refusal.exit, 2);
  match(refusal.problems.map(formatProblem).join(), /c\.yaml:1:2: this is not UTF-8/);
});

Deno.test("readConfig() reads a file that only its owner can write, and needs none", () => {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-config-" });
  try {
    const path = `${folder}/config.yaml`;
    deepStrictEqual(readConfig(path), DEFAULT_CONFIG);
    Deno.writeTextFileSync(path, "require_signature: true\n", { mode: 0o600 });
    strictEqual(readConfig(path).require_signature, true);
    Deno.chmodSync(path, 0o620);
    match(refusalOf(() => readConfig(path)).message, /config\.yaml: is writable by its group; chmod go-w/);
    Deno.chmodSync(path, 0o602);
    match(refusalOf(() => readConfig(path)).message, /is writable by everyone/);
    Deno.chmodSync(path, 0o600);
    Deno.chownSync(path, 65534, 65534);
    match(refusalOf(() => readConfig(path)).message, /belongs to uid 65534/);
    Deno.chownSync(path, 0, 0);
    Deno.writeTextFileSync(path, "#".repeat(MAX_CONFIG_BYTES + 1));
    match(refusalOf(() => readConfig(path)).message, /config\.yaml: is larger than 65536 bytes/);
    Deno.removeSync(path);
    Deno.symlinkSync("/dev/null", path);
    const refusal = refusalOf(() => readConfig(path));
    deepStrictEqual([refusal.exit, /is a symbolic link/.test(refusal.message)], [2, true]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
