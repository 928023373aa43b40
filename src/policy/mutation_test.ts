// Policies with small accidents in them: whatever they do to the text, the parser answers, and answers with places.
import { deepStrictEqual, ok } from "node:assert/strict";
import { exportPolicy } from "./export.ts";
import { parsePolicy } from "./parse.ts";
import { acceptPolicy, Random, withoutLines } from "./testing.ts";

const SEEDS = [
  `version: 1
name: web-tier
serial: 7
expires: 2027-06-01T00:00:00Z
scopes:
  web: [/system.slice/nginx.service, "id:5123"]
allow:
  cgroups: [/system.slice/backup.service]
rules:
  - id: tls-keys
    paths: [/etc/ssl/private/**, /etc/shadow]
    inodes: ["8:1:131074"]
    deny: [read, write, exec]   # a comment
    in: [web]
    except: { cgroups: [], exe: [/usr/sbin/sshd], uids: [7] }
    mode: audit
  - id: second
    paths:
      - "/a b"
      - '/c'
`,
  '{"version":1,"name":"a","serial":1,"scopes":{"w":["/a"]},"rules":[{"id":"a","paths":["/a/**"],"in":["w"]}]}',
];

const PIECES = [
  ..."\n \t#{}[],:'\"|>?-/\\*&!%@`~=\0",
  "\r\n",
  "- ",
  ": ",
  "**",
  "null",
  "1e9",
  ".inf",
  "---\n",
  "...\n",
  "\ud800",
  "\u{1f512}",
  "<<",
  "__proto__: ",
  "toString: ",
  "id: ",
];

function mutate(text: string, random: Random): string {
  const at = random.below(text.length);
  const from = random.below(text.length);
  switch (random.below(3)) {
    case 0:
      return text.slice(0, at) + random.pick(PIECES) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + random.below(6));
    default:
      return text.slice(0, at) + text.slice(from, from + random.below(40)) + text.slice(at);
  }
}

Deno.test("parsePolicy() answers with a policy that can be exported or with problems that have a place", () => {
  let accepted = 0;
  for (let seed = 1; seed <= 3000; seed++) {
    const random = new Random(seed);
    let text = random.pick(SEEDS);
    for (let changes = random.below(3) + 1; changes > 0; changes--) text = mutate(text, random);
    const result = parsePolicy(text, "p.yaml");
    if (result.ok) {
      accepted++;
      deepStrictEqual(
        withoutLines(acceptPolicy(exportPolicy(result.policy))),
        withoutLines(result.policy),
        text,
      );
      continue;
    }
    ok(result.problems.length > 0, text);
    const lines = text.split("\n");
    for (const { line, column, message } of result.problems) {
      ok(line >= 1 && line <= lines.length, `${line}: ${text}`);
      ok(column >= 1 && column <= (lines[line - 1] ?? "").length + 1, `${line}:${column}: ${text}`);
      ok(/^\P{Cc}+$/u.test(message), JSON.stringify(message));
    }
  }
  ok(accepted > 100 && accepted < 2900, `${accepted} of 3000 were accepted`);
});
