// Policies that must be refused: one line a case, with the place and the words of the refusal.
import { match, ok, strictEqual } from "node:assert/strict";
import { LIMITS } from "./limits.ts";
import { parsePolicy } from "./parse.ts";
import { formatProblem } from "./problem.ts";

const HEAD = "version: 1\nname: test\nserial: 1\n";
const RULE = "rules: [{ id: a, paths: [/a] }]\n";

/** The first problem of a policy that must be refused, in one line. */
function refusalOf(policy: string | Uint8Array): string {
  const result = parsePolicy(policy, "p.yaml");
  ok(!result.ok, "expected the policy to be refused");
  const first = result.problems[0];
  ok(first);
  return formatProblem(first);
}

function rule(fields: string): string {
  return `${HEAD}rules: [{ id: a, paths: [/a], ${fields} }]`;
}

const cases: Readonly<Record<string, readonly [policy: string | Uint8Array, refusal: RegExp]>> = {
  "an empty file": ["", /^p.yaml:1:1: the file is empty/],
  "only comments": ["# nothing\n", /^p.yaml:1:1: the file is empty/],
  "an empty document": ["---\n", /^p.yaml:1:\d: found nothing; expected a mapping/],
  "a text": ["policy", /^p.yaml:1:1: found "policy"; expected a mapping/],
  "a list": ["[]", /^p.yaml:1:1: found a list; expected a mapping/],
  "no version": [`name: a\nserial: 1\n${RULE}`, /^p.yaml:1:1: version: the key "version" is missing/],
  "another version": [
    `version: 2\nname: a\nserial: 1\n${RULE}`,
    /^p.yaml:1:10: version: found 2; expected 1$/,
  ],
  "version as a text": [
    `version: "1"\nname: a\nserial: 1\n${RULE}`,
    /^p.yaml:1:10: version: "1" .* expected 1$/,
  ],
  "no rules": [HEAD, /rules: the key "rules" is missing/],
  "rules without a value": [`${HEAD}rules:\n`, /^p.yaml:4:7: rules: found nothing; expected a list/],
  "rules as a mapping": [`${HEAD}rules: {}`, /^p.yaml:4:8: rules: found a mapping; expected a list/],
  "a name with a space": [
    `version: 1\nname: a b\nserial: 1\n${RULE}`,
    /^p.yaml:2:7: name: "a b" is not well formed/,
  ],
  "serial 0": [
    `version: 1\nname: a\nserial: 0\n${RULE}`,
    /^p.yaml:3:9: serial: 0 is too small; expected at least 1/,
  ],
  "a serial beyond 2^53 - 1": [
    `version: 1\nname: a\nserial: 9007199254740993\n${RULE}`,
    /^p.yaml:3:9: serial: .* too large; expected at most 9007199254740991/,
  ],
  "a fractional serial": [
    `version: 1\nname: a\nserial: 1.5\n${RULE}`,
    /serial: found 1.5; expected a whole number/,
  ],
  "a date without a time": [
    `${HEAD}expires: 2027-06-01\n${RULE}`,
    /^p.yaml:4:10: expires: .* expected a time/,
  ],
  "a time without a zone": [
    `${HEAD}expires: 2027-06-01T00:00:00\n${RULE}`,
    /expires: .* expected a time with its zone/,
  ],
  "a day that does not exist": [`${HEAD}expires: 2027-02-30T00:00:00Z\n${RULE}`, /^p.yaml:4:10: expires/],
  "an unknown mode": [
    `${HEAD}mode: enforced\n${RULE}`,
    /^p.yaml:4:7: mode: .*did you mean "enforce"\?.*enforce or audit/,
  ],
  "an unknown key": [
    `${HEAD}modes: audit\n${RULE}`,
    /^p.yaml:4:1: modes: unknown key "modes" \(did you mean "mode"\?\)/,
  ],
  "an unknown key in allow": [
    `${HEAD}allow: {exe: []}\n${RULE}`,
    /^p.yaml:4:9: allow.exe: unknown key .* one of cgroups/,
  ],
  "an unknown key in a rule": [rule("path: 1"), /^p.yaml:4:31: rules\[0\].path: .*did you mean "paths"/],
  "an unknown key in except": [rule("except: {uid: [0]}"), /rules\[0\].except.uid: .*did you mean "uids"/],
  "a merge key": [rule("<<: {mode: audit}"), /unknown key "<<"/],
  "__proto__": [`${HEAD}__proto__: {mode: audit}\n${RULE}`, /^p.yaml:4:1: __proto__: unknown key/],
  "a duplicate key": [`${HEAD}name: b\n${RULE}`, /^p.yaml:4:1: name: the key "name" is already on line 2/],
  "a duplicate key in a rule": [
    rule("id: b"),
    /^p.yaml:4:31: rules\[0\].id: the key "id" is already on line 4/,
  ],
  "a duplicate scope": [
    `${HEAD}scopes:\n  a: [/a]\n  a: [/b]\n${RULE}`,
    /^p.yaml:6:3: scopes.a: the key "a" is already/,
  ],
  "a key that is a mapping": [`${HEAD}? {a: 1}\n: 2\n${RULE}`, /^p.yaml:4:3: not valid YAML: .*stringKeys/],
  "a duplicate id": [
    `${HEAD}rules:\n  - {id: a, paths: [/a]}\n  - {id: a, paths: [/b]}`,
    /^p.yaml:6:10: rules\[1\].id: the id "a" is already on line 5/,
  ],
  "an id with a capital": [
    `${HEAD}rules: [{ id: A, paths: [/a] }]`,
    /^p.yaml:4:15: rules\[0\].id: .* lower-case/,
  ],
  "an id of 64 characters": [
    `${HEAD}rules: [{ id: ${"a".repeat(64)}, paths: [/a] }]`,
    /rules\[0\].id: .* at most 63/,
  ],
  "an id as a number": [
    `${HEAD}rules: [{ id: 7, paths: [/a] }]`,
    /rules\[0\].id: found 7; expected a text, in quotes/,
  ],
  "a rule without an id": [
    `${HEAD}rules:\n  - paths: [/a]`,
    /^p.yaml:5:5: rules\[0\].id: the key "id" is missing/,
  ],
  "a rule that names nothing": [
    `${HEAD}rules:\n  - id: a`,
    /^p.yaml:5:5: rules\[0\]: the rule names no file/,
  ],
  "a rule of empty lists": [
    `${HEAD}rules: [{id: a, paths: [], inodes: []}]`,
    /rules\[0\]: the rule names no file/,
  ],
  "one path without a list": [
    `${HEAD}rules: [{id: a, paths: /a}]`,
    /^p.yaml:4:24: .*found "\/a"; expected a list/,
  ],
  "a relative path": [
    `${HEAD}rules: [{id: a, paths: [etc/x]}]`,
    /^p.yaml:4:25: .*relative; expected an absolute path/,
  ],
  "an over-long path": [
    `${HEAD}rules: [{id: a, paths: [/${"a/".repeat(2048)}b]}]`,
    /4098 bytes, more than 4095/,
  ],
  "a NUL in a path": [
    `${HEAD}rules: [{id: a, paths: ["/a\\0"]}]`,
    /^p.yaml:4:25: rules\[0\].paths\[0\]: .*a NUL/,
  ],
  "a glob": [`${HEAD}rules: [{id: a, paths: [/a/*.key]}]`, /^p.yaml:4:25: .*no patterns except "DIR\/\*\*"/],
  "an inode as a number": [
    `${HEAD}rules: [{id: a, inodes: [7]}]`,
    /^p.yaml:4:26: rules\[0\].inodes\[0\]: found 7/,
  ],
  "an impossible inode": [
    `${HEAD}rules: [{id: a, inodes: [8:1]}]`,
    /"8:1" is not an inode; expected MAJOR:MINOR:INO/,
  ],
  "an unknown operation": [
    rule("deny: [raed]"),
    /rules\[0\].deny\[0\]: "raed" .*did you mean "read"\?.*or truncate/,
  ],
  "an empty deny": [rule("deny: []"), /rules\[0\].deny: the list is empty; expected at least one entry/],
  "an empty in": [rule("in: []"), /rules\[0\].in: the list is empty/],
  "an unknown scope": [
    `${HEAD}scopes: {web: [/a]}\nrules: [{id: a, paths: [/a], in: [wbe]}]`,
    /^p.yaml:5:35: rules\[0\].in\[0\]: there is no scope "wbe" \(did you mean "web"\?\)/,
  ],
  "a scope with a bad name": [
    `${HEAD}scopes: {Web: [/a]}\n${RULE}`,
    /^p.yaml:4:10: scopes.Web: "Web" is not a scope's name/,
  ],
  "an empty scope": [`${HEAD}scopes: {web: []}\n${RULE}`, /^p.yaml:4:15: scopes.web: the list is empty/],
  "a relative cgroup": [
    `${HEAD}allow: {cgroups: [a]}\n${RULE}`,
    /^p.yaml:4:19: allow.cgroups\[0\]: .*relative/,
  ],
  "a uid beyond 2^32 - 2": [rule("except: {uids: [4294967295]}"), /uids\[0\]: 4294967295 is too large/],
  "a negative uid": [rule("except: {uids: [-1]}"), /uids\[0\]: -1 is too small; expected at least 0/],
  "a subtree as an executable": [rule("except: {exe: [/usr/**]}"), /exe\[0\]: a single file is expected/],
  "an unknown signal": [rule("signal: hup"), /rules\[0\].signal: "hup" .*none, term or kill/],
  "broken YAML": [`${HEAD}rules: [{id: a, paths: [/a}]`, /^p.yaml:4:\d+: not valid YAML/],
  "an open quote": [`${HEAD}rules: "`, /^p.yaml:4:\d+: not valid YAML: Missing closing "quote/],
  "a tab as indentation": [`${HEAD}rules:\n\t- id: a`, /^p.yaml:5:1: not valid YAML: Tabs are not allowed/],
  "only a document end": ["...\n", /^p.yaml:1:1: found nothing; expected a mapping/],
  "two documents": [
    `${HEAD}${RULE}---\n${HEAD}`,
    /^p.yaml:5:1: a second YAML document begins here; expected only one/,
  ],
  "a directive": [`%YAML 1.1\n---\n${HEAD}${RULE}`, /^p.yaml:1:1: the directive "%YAML 1.1" is not accepted/],
  "a tag": [`${HEAD}rules: !!seq []`, /^p.yaml:4:8: the tag "!!seq" is not accepted/],
  "an anchor": [`${HEAD}rules: &r []`, /^p.yaml:4:8: the anchor "&r" is not accepted/],
  "an alias": [
    `${HEAD}rules: *r`,
    /^p.yaml:4:8: the alias "\*r" is not accepted; expected the value written out/,
  ],
  "a byte order mark": [`\ufeff${HEAD}${RULE}`, /^p.yaml:1:1: the file begins with a byte order mark/],
  "UTF-16": [new Uint8Array([0xff, 0xfe, 0x76, 0]), /^p.yaml:1:1: this is not UTF-8/],
  "a byte that is not UTF-8": [
    new Uint8Array([...new TextEncoder().encode(`${HEAD}# caf\u00e9`), 0xe9, 0x0a]),
    /^p.yaml:4:7: this is not UTF-8/,
  ],
  "a raw NUL": [`${HEAD}# a\0b\n${RULE}`, /^p.yaml:4:4: a NUL is not accepted in a policy/],
  "a lone carriage return": [`${HEAD}#\rmode: audit\n${RULE}`, /^p.yaml:4:2: U\+000D is not accepted/],
  "a bidirectional override": [`${HEAD}# \u202e\n${RULE}`, /^p.yaml:4:3: U\+202E is not accepted/],
  "too many callers": [
    `${HEAD}rules:\n` +
    Array.from({ length: 64 }, (_, i) => `  - { id: r${i}, paths: [/a], except: { uids: [${i}] } }\n`).join(
      "",
    ),
    /^p.yaml:68:\d+: rules\[63\].except: one set of callers too many; expected at most 63/,
  ],
  "too many scopes": [
    `${HEAD}scopes:\n${Array.from({ length: 64 }, (_, i) => `  s${i}: [/a]\n`).join("")}${RULE}`,
    /^p.yaml:5:3: scopes: there are 64 scopes; expected at most 63/,
  ],
};

for (const [name, [policy, refusal]] of Object.entries(cases)) {
  Deno.test(`parsePolicy() refuses ${name}`, () => match(refusalOf(policy), refusal));
}

const MEBIBYTE = 1024 * 1024;

/** What a small parser could spend minutes or gigabytes on, each with the beginning of its refusal. */
const bombs: Readonly<Record<string, readonly [policy: string | Uint8Array, refusal: RegExp]>> = {
  "2 MB of aliases": [`a: &a [x]\nb: [${"*a,".repeat(2 * MEBIBYTE / 3)}]`, /^p.yaml:1:4: the anchor "&a"/],
  "aliases of aliases": [
    "a: &a [x, x]\n" +
    Array.from("bcdefghijklmnop", (c, i) => `${c}: &${c} [${`*${"abcdefghijklmno"[i]},`.repeat(9)}]\n`).join(
      "",
    ),
    /^p.yaml:1:4: the anchor "&a"/,
  ],
  "lists a million deep": [
    "[".repeat(MEBIBYTE),
    /^p.yaml:1:\d+: nested too deep; expected at most 32 levels/,
  ],
  "block lists a million deep": ["- ".repeat(MEBIBYTE), /nested too deep/],
  "mappings a million deep": ["{a: ".repeat(MEBIBYTE), /nested too deep/],
  "explicit keys a million deep": ["? ".repeat(MEBIBYTE), /nested too deep/],
  "8 MiB of broken escapes": [
    `"${"\\q".repeat(4 * MEBIBYTE - 1)}"`,
    /^p.yaml:1:2: not valid YAML: Invalid escape/,
  ],
  "8 MiB of closing brackets": ["]".repeat(8 * MEBIBYTE), /^p.yaml:1:1: not valid YAML/],
  "8 MiB of document starts": ["---\n".repeat(2 * MEBIBYTE), /^p.yaml:2:1: a second YAML document/],
  "8 MiB of tags": ["- !!str a\n".repeat(8 * MEBIBYTE / 10), /^p.yaml:1:3: the tag/],
  "8 MiB of bytes that are not UTF-8": [
    new Uint8Array(8 * MEBIBYTE).fill(0xff),
    /^p.yaml:1:1: this is not UTF-8/,
  ],
  "8 MiB of control characters": ["\x01".repeat(8 * MEBIBYTE), /^p.yaml:1:1: U\+0001/],
  "an 8 MiB number": [`serial: ${"9".repeat(8 * MEBIBYTE - 10)}`, /version: the key/],
  "a file that is too large": ["#".repeat(LIMITS.fileBytes + 1), /^p.yaml:1:1: the policy has 8388609 bytes/],
  "thousands of unknown keys": [
    `{${Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join()}}`,
    /^p.yaml:1:1: version: the key "version" is missing/,
  ],
  "thousands of scopes": [
    `${HEAD}scopes: {${Array.from({ length: 20_000 }, (_, i) => `s${i}: []`).join()}}\n${RULE}`,
    /there are 20000 scopes/,
  ],
};

for (const [name, [policy, refusal]] of Object.entries(bombs)) {
  Deno.test(`parsePolicy() refuses ${name} in bounded time`, () => {
    const start = performance.now();
    const text = refusalOf(policy);
    const elapsed = performance.now() - start;
    match(text, refusal);
    // Each takes well under half a second on one quiet core; without its bound, at least a minute.
    ok(elapsed < 10_000, `took ${elapsed} ms`);
  });
}

Deno.test("parsePolicy() refuses more rules than the limit without looking at each", () => {
  const text = refusalOf(`${HEAD}rules:\n${"- a\n".repeat(LIMITS.rules + 1)}`);
  strictEqual(text, "p.yaml:100005:3: rules: there are 100001 rules; expected at most 100000");
});

Deno.test("parsePolicy() refuses more tokens than the limit", () => {
  match(
    refusalOf(`[${"1,".repeat(2 * MEBIBYTE)}]`),
    /the file holds too much; expected at most 1000000 YAML tokens; 2500000 where rules is the last key/,
  );
});
