import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { sameInParts } from "./compose_check.ts";
import { composeInParts } from "./compose_parts.ts";
import { exportPolicy } from "./export.ts";
import { parsePolicy } from "./parse.ts";
import { randomPolicy } from "./random_policy.ts";
import { Random, withoutLines } from "./testing.ts";

const HEAD = "version: 1\nname: a\nserial: 1\n";

Deno.test("composeInParts() reads exported policies as they are read as a whole", () => {
  let inParts = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const policy = randomPolicy(new Random(seed));
    const read = sameInParts(exportPolicy(policy));
    strictEqual(read, policy.rules.length > 0, `seed ${seed}`);
    if (read) inParts++;
  }
  ok(inParts > 100);
});

const READ = [
  `${HEAD}rules:\n- id: a\n  paths: [/a,\n   /b]\n# comment\n- id: b\n\n  paths: # here\n  - /c\n  - |-\n    /d\n  # end`,
  `${HEAD}rules: \r\n  - {id: a, paths: ["/a\\\n    b"]}\r\n  - id: b\r\n    paths:\r\n    - /a\r\n`,
  `name: "rules:"\nrules:\n - a: 1\n   b:\n     - 1\n     -  2\n`,
  "rules:\n- 'a\n\n  b'\n- c\n  d\n",
  "rules:\n-  - a\n   - b\n",
];

for (const [index, text] of READ.entries()) {
  Deno.test(`composeInParts() reads what is written otherwise as well (${index})`, () => {
    ok(sameInParts(text));
  });
}

const LEFT = [
  "",
  HEAD,
  `${HEAD}rules: []\n`,
  `${HEAD}rules: [{id: a}]\n`,
  `${HEAD}rules:\n`,
  `rules:\n- id: a\nversion: 1\n`,
  `rules:\n- id: a\nrules:\n- id: b\n`,
  `${HEAD}rules:\n  - id: a\n - id: b\n`,
  `${HEAD}rules:\n- id: a\n---\n- id: b\n`,
  `${HEAD}rules:\n- &a id: a\n`,
  `${HEAD}rules:\n- id: "a\n- b"\n`,
  `${HEAD}rules:\n- id: [a\n- b]\n`,
  `${HEAD}rules:\n\t- id: a\n`,
  `${HEAD}rules:\n- id: a\n\tb: c\n`,
  `${HEAD}- a\nrules:\n- b\n`,
  `name: |\n rules\nrules:\n-\n  id: a\n`,
  `%YAML 1.2\n---\nrules:\n- a\n`,
  `'rules':\n- a\n`,
];

for (const text of LEFT) {
  Deno.test(`composeInParts() leaves ${JSON.stringify(text.slice(-30))} to the reading as a whole`, () => {
    strictEqual(composeInParts(text, 0), undefined);
  });
}

Deno.test("composeInParts() agrees with the reading as a whole about whatever small accidents do to a text", () => {
  const pieces = [
    "\n",
    " ",
    "  ",
    "- ",
    "-",
    "#",
    ":",
    "\t",
    '"',
    "'",
    "[",
    "]",
    "{",
    "}",
    "|",
    ">",
    "rules:\n",
    "---\n",
    "\r",
  ];
  let inParts = 0;
  for (let seed = 1; seed <= 3000; seed++) {
    const random = new Random(seed);
    let text: string = random.pick(READ);
    for (let changes = 1 + random.below(3); changes > 0; changes--) {
      const at = random.below(text.length + 1);
      text = text.slice(0, at) + random.pick([...pieces, ""]) + text.slice(at + random.below(2));
    }
    try {
      if (sameInParts(text)) inParts++;
    } catch (error) {
      throw new Error(JSON.stringify(text), { cause: error });
    }
  }
  ok(inParts > 500, `${inParts} of 3000 were read in parts`);
});

Deno.test("parsePolicy() tells lines of a large policy that is read in parts", () => {
  const rules = Array.from({ length: 5000 }, (_, index) => `  - id: r${index}\n    paths: [/srv/${index}]\n`)
    .join("");
  const result = parsePolicy(`${HEAD}rules:\n${rules}`, "p.yaml");
  ok(result.ok);
  const last = result.policy.rules.at(-1);
  deepStrictEqual([last?.line, last?.paths[0]?.line], [10003, 10004]);
  const flow = parsePolicy(
    `${HEAD}rules: [${rules.replaceAll(/ {2}- (.*)\n {4}(.*)\n/g, " {$1, $2},\n")}]\n`,
    "p.yaml",
  );
  ok(flow.ok);
  deepStrictEqual(withoutLines(flow.policy), withoutLines(result.policy));
  const wrong = parsePolicy(`${HEAD}rules:\n${rules.replace("id: r4000", "idd: r4000")}`, "p.yaml");
  ok(!wrong.ok);
  deepStrictEqual(wrong.problems.map(({ line, column, path }) => [line, column, path]), [
    [8005, 5, "rules[4000].id"],
    [8005, 5, "rules[4000].idd"],
  ]);
});
