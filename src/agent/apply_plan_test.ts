import { deepStrictEqual } from "node:assert/strict";
import { identityText } from "../kernel/packed.ts";
import { applyPlan } from "./apply_plan.ts";
import { TestInstallation } from "./test_support.ts";

function policy(serial: number, rules: readonly string[]): Uint8Array {
  const text = rules.map((rule) => `  - ${rule}\n`).join("");
  return new TextEncoder().encode(`version: 1\nname: test\nserial: ${serial}\nmode: audit\nrules:\n${text}`);
}

Deno.test("applyPlan() says which rules change, which files are covered then, and what is waited for", () => {
  using host = new TestInstallation();
  const engine = host.engine();
  const [one, two, three] = ["one", "two", "three"].map((name) => host.file(name));
  const checked = (bytes: Uint8Array) => engine.check(bytes, "/p.yaml");
  const first = checked(policy(1, [
    `{id: stays, paths: [${one}]}`,
    `{id: goes, paths: [${two}], inodes: ["8:1:7"]}`,
    `{id: changes, paths: [${two}]}`,
  ]));
  const identity = (path = "") => identityText(host.identityOf(path));
  const dry = (bytes: Uint8Array) => engine.apply(checked(bytes), { dryRun: true }).inForce;
  deepStrictEqual(
    applyPlan(undefined, dry(policy(1, [`{id: stays, paths: [${one}, /nowhere]}`]))),
    {
      rules: { added: ["stays"], removed: [], changed: [] },
      covered: [{ rule: "stays", target: one, identity: identity(one) }],
      uncovered: [],
      waiting: [{ rule: "stays", target: "/nowhere" }],
    },
  );
  engine.apply(first);
  const next = dry(policy(2, [
    `{id: changes, paths: [${three}]}`,
    `{id: stays, paths: [${one}]}`,
    `{id: comes, paths: [/nowhere/**]}`,
  ]));
  deepStrictEqual(applyPlan(engine.current, next), {
    rules: { added: ["comes"], removed: ["goes"], changed: ["changes"] },
    covered: [{ rule: "changes", target: three, identity: identity(three) }],
    uncovered: [
      { rule: "goes", target: "8:1:7", identity: "8:1:7" },
      { rule: "goes", target: two, identity: identity(two) },
      { rule: "changes", target: two, identity: identity(two) },
    ],
    waiting: [{ rule: "comes", target: "/nowhere/**" }],
  });
});
