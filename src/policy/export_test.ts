import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { exportPolicy } from "./export.ts";
import { randomPolicy } from "./random_policy.ts";
import { acceptPolicy, Random, withoutLines } from "./testing.ts";

Deno.test("exportPolicy() leaves defaults out", () => {
  const text = exportPolicy(acceptPolicy(
    "version: 1\nname: a\nserial: 7\nscopes: {}\nallow: {}\nrules: [{id: a, paths: [/a/**], mode: enforce, signal: none}]",
  ));
  strictEqual(
    text,
    "version: 1\nname: a\nserial: 7\nmode: enforce\nrules:\n  - id: a\n    paths:\n      - /a/**\n",
  );
});

Deno.test("exportPolicy() parses back to the same policy, whatever is in it", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const policy = randomPolicy(new Random(seed));
    const text = exportPolicy(policy);
    const again = acceptPolicy(text);
    deepStrictEqual(withoutLines(again), withoutLines(policy), `seed ${seed}:\n${text}`);
    strictEqual(exportPolicy(again), text, `seed ${seed}`);
  }
});
