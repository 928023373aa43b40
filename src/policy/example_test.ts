import { deepStrictEqual, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parsePolicy } from "./parse.ts";

Deno.test("examples/policy.yaml is a policy without a warning that protects the demo file", () => {
  const file = fileURLToPath(new URL("../../examples/policy.yaml", import.meta.url));
  const result = parsePolicy(Deno.readFileSync(file), file);
  ok(result.ok, JSON.stringify(result));
  deepStrictEqual(result.warnings, []);
  deepStrictEqual(
    result.policy.rules.map(({ id, mode, paths }) => [id, mode, paths.map(({ path }) => path)]),
    [
      ["demo-secret", "enforce", ["/var/lib/aegisbpf-demo/secret"]],
    ],
  );
});

Deno.test("examples/policy.yaml is still a policy when what is commented out is taken in", () => {
  const file = fileURLToPath(new URL("../../examples/policy.yaml", import.meta.url));
  const text = Deno.readTextFileSync(file).replaceAll(/^#(?= {2}- id:| {4}\w+:)/gm, "");
  const result = parsePolicy(text, file);
  ok(result.ok, JSON.stringify(result));
  deepStrictEqual(result.policy.rules.length, 2);
});
