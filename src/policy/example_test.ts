import { deepStrictEqual, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { essentialFiles } from "./essential.ts";
import { exportPolicy } from "./export.ts";
import { hostFacts } from "./host_facts.ts";
import type { Policy } from "./model.ts";
import { parsePolicy } from "./parse.ts";
import { findLockouts } from "./safety.ts";
import { policyJsonSchema } from "./schema.ts";
import { acceptPolicy, withoutLines } from "./testing.ts";

const FOLDER = fileURLToPath(new URL("../../examples/", import.meta.url));
const FILES = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => name.endsWith(".yaml"))
  .sort();
const AGENT = {
  executable: "/usr/bin/aegisbpf",
  configuration: "/etc/aegisbpf",
  writable: ["/var/lib/aegisbpf", "/run/aegisbpf", "/sys/fs/bpf/aegisbpf"],
};

function example(file: string): Policy {
  const result = parsePolicy(Deno.readFileSync(`${FOLDER}${file}`), file);
  ok(result.ok, JSON.stringify(result));
  deepStrictEqual(result.warnings, []);
  return result.policy;
}

Deno.test("examples/ has the policies that docs/policy.md explains", () => {
  deepStrictEqual(FILES, ["container-host.yaml", "locked-etc.yaml", "policy.yaml", "tls-keys.yaml"]);
});

for (const file of FILES) {
  Deno.test(`examples/${file} is a policy without a warning that locks no host out`, () => {
    const policy = example(file);
    deepStrictEqual(findLockouts(policy, essentialFiles(AGENT), hostFacts), []);
    deepStrictEqual(withoutLines(acceptPolicy(exportPolicy(policy))), withoutLines(policy));
  });

  Deno.test(`examples/${file} fits the published schema`, () => {
    const ajv = new Ajv2020({ strictRequired: false, formats: { "date-time": true } });
    const fits = ajv.validate(policyJsonSchema(), parse(Deno.readTextFileSync(`${FOLDER}${file}`)));
    ok(fits, JSON.stringify(ajv.errors));
  });
}

Deno.test("examples/policy.yaml protects the demo file", () => {
  deepStrictEqual(
    example("policy.yaml").rules.map(({ id, mode, paths }) => [id, mode, paths.map(({ path }) => path)]),
    [["demo-secret", "enforce", ["/var/lib/aegisbpf-demo/secret"]]],
  );
});

Deno.test("examples/policy.yaml is still a policy when what is commented out is taken in", () => {
  const text = Deno.readTextFileSync(`${FOLDER}policy.yaml`).replaceAll(/^#(?= {2}- id:| {4}\w+:)/gm, "");
  deepStrictEqual(acceptPolicy(text).rules.length, 2);
});

Deno.test("examples/locked-etc.yaml would be refused without its scope", () => {
  const policy = example("locked-etc.yaml");
  const rules = policy.rules.map((rule) => ({ ...rule, in: [] }));
  deepStrictEqual(
    findLockouts({ ...policy, rules }, essentialFiles(AGENT), hostFacts).map(({ target }) => target),
    ["/etc/**"],
  );
});
