import { deepStrictEqual } from "node:assert/strict";
import { TestPlaces } from "../kernel/test_support.ts";
import { acceptPolicy } from "../policy/testing.ts";
import { locations } from "./locations.ts";
import { harmfulMounts } from "./lockouts.ts";

Deno.test("harmfulMounts() tells mounts that a rule must not cover, unless it only audits or has a scope", () => {
  using places = new TestPlaces();
  const policy = acceptPolicy(`version: 1
name: n
serial: 1
mode: enforce
scopes: { web: [/web.slice] }
rules:
  - { id: everywhere, paths: [/srv/tree/**] }
  - { id: audits, paths: [/srv/tree/**], mode: audit }
  - { id: scoped, paths: [/srv/tree/**], in: [web] }
`);
  const covered = policy.rules.flatMap((rule) =>
    ["/usr", places.folder].map((mountPoint) => ({ rule, mountPoint }))
  );
  deepStrictEqual(
    harmfulMounts(covered, policy, locations({ AEGISBPF_ROOT: "/nowhere" })),
    [true, false, false, false, false, false],
  );
});
