import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { MAX_CGROUP_LEVEL } from "./cgroups.ts";
import { LIMITS } from "./limits.ts";
import {
  formatCgroup,
  formatInodeTarget,
  formatPathTarget,
  parseCgroup,
  type Parsed,
  parseFilePath,
  parseInodeTarget,
  parsePathTarget,
  quote,
} from "./syntax.ts";

function valueOf<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

function messageOf(parsed: Parsed<unknown>): string {
  ok(!parsed.ok, "expected a refusal");
  return parsed.message;
}

Deno.test("parsePathTarget() takes a file and a subtree", () => {
  deepStrictEqual(valueOf(parsePathTarget("/etc/shadow")), { path: "/etc/shadow", subtree: false });
  deepStrictEqual(valueOf(parsePathTarget("/etc/ssl/**")), { path: "/etc/ssl", subtree: true });
  deepStrictEqual(valueOf(parsePathTarget("/**")), { path: "/", subtree: true });
  deepStrictEqual(valueOf(parsePathTarget("/")), { path: "/", subtree: false });
  deepStrictEqual(valueOf(parsePathTarget("/srv/caf\u00e9 ]x}\\x2d")).path, "/srv/caf\u00e9 ]x}\\x2d");
});

const refusedPaths: readonly (readonly [string, RegExp])[] = [
  ["", /empty/],
  ["etc/shadow", /relative/],
  ["**", /relative/],
  ["~/x", /relative/],
  ["/a\0b", /a NUL/],
  ["/a\nb", /U\+000A/],
  ["/a\u007f", /U\+007F/],
  ["/a\u202eb", /U\+202E/],
  ["/a\ud800", /surrogate/],
  ["/a/../b", /"\.\."/],
  ["/..", /"\.\."/],
  ["/a/./b", /write "\/a\/b"$/],
  ["/a//b", /write "\/a\/b"$/],
  ["/a/", /write "\/a", or "\/a\/\*\*" for all below it$/],
  ["/a/**/", /write "\/a\/\*\*"$/],
  ["//", /write "\/"$/],
  ["/a/*", /no patterns except "DIR\/\*\*"/],
  ["/a/**/b", /no patterns except/],
  ["/a**", /no patterns except/],
  ["/a?", /no patterns except/],
  ["/a[bc]", /no patterns except/],
  ["/{a,b}", /no patterns except/],
  ["/" + "a".repeat(256), /name .* has 256 bytes/],
  ["/" + "\u00e9".repeat(128), /name .* has 256 bytes/],
  ["/" + "a/".repeat(2047) + "ab", /has 4097 bytes/],
];

for (const [path, message] of refusedPaths) {
  Deno.test(`parsePathTarget() refuses ${quote(path).slice(0, 40)}`, () => {
    match(messageOf(parsePathTarget(path)), message);
  });
}

Deno.test("parsePathTarget() takes a path and names of exactly the longest length", () => {
  const longest = "/" + "a/".repeat(2046) + "ab";
  strictEqual(longest.length, 4095);
  strictEqual(valueOf(parsePathTarget(longest)).path, longest);
  ok(parsePathTarget(`/${"a".repeat(255)}`).ok);
  ok(parsePathTarget(`${longest}/**`).ok);
});

Deno.test("parseFilePath() refuses a subtree", () => {
  strictEqual(valueOf(parseFilePath("/usr/sbin/sshd")), "/usr/sbin/sshd");
  match(messageOf(parseFilePath("/usr/sbin/**")), /not a subtree/);
});

Deno.test("parseInodeTarget() takes every number up to its limit", () => {
  deepStrictEqual(valueOf(parseInodeTarget("8:1:131074")), { major: 8, minor: 1, ino: 131074n });
  deepStrictEqual(valueOf(parseInodeTarget("4095:1048575:18446744073709551615:4294967295")), {
    major: 4095,
    minor: 1048575,
    ino: 18446744073709551615n,
    generation: 4294967295,
  });
  deepStrictEqual(valueOf(parseInodeTarget("0:5:1:0")), { major: 0, minor: 5, ino: 1n, generation: 0 });
});

const refusedInodes: readonly (readonly [string, RegExp])[] = [
  ["", /not an inode/],
  ["8:1", /not an inode/],
  ["8:1:2:3:4", /not an inode/],
  ["8:1:-2", /not an inode/],
  ["08:1:2", /not an inode/],
  ["8:1:0x10", /not an inode/],
  ["8:1: 2", /not an inode/],
  ["4096:1:1", /major/],
  ["1:1048576:1", /minor/],
  ["1:1:0", /inode number/],
  ["1:1:18446744073709551616", /inode number/],
  ["1:1:1:4294967296", /generation/],
];

for (const [text, message] of refusedInodes) {
  Deno.test(`parseInodeTarget() refuses ${quote(text)}`, () => {
    match(messageOf(parseInodeTarget(text)), message);
  });
}

Deno.test("parseCgroup() takes a path and an id", () => {
  deepStrictEqual(valueOf(parseCgroup("/system.slice/x@a:b*.service")), {
    kind: "path",
    path: "/system.slice/x@a:b*.service",
  });
  deepStrictEqual(valueOf(parseCgroup("/")), { kind: "path", path: "/" });
  deepStrictEqual(valueOf(parseCgroup("id:18446744073709551615")), { kind: "id", id: 18446744073709551615n });
});

const refusedCgroups: readonly (readonly [string, RegExp])[] = [
  ["system.slice", /cgroup path .* relative/],
  ["/a/../b", /"\.\."/],
  ["/a/", /write "\/a"$/],
  ["/sys/fs/cgroup/system.slice", /without \/sys\/fs\/cgroup/],
  ["id:", /not a cgroup id/],
  ["id:0", /between 1 and/],
  ["id:-1", /not a cgroup id/],
  ["id:18446744073709551616", /between 1 and/],
  ["cgid:5", /relative/],
  ["/a".repeat(33), /33 levels deep, more than 32/],
];

for (const [text, message] of refusedCgroups) {
  Deno.test(`parseCgroup() refuses ${quote(text)}`, () => match(messageOf(parseCgroup(text)), message));
}

Deno.test("parseCgroup() takes cgroups as deep as they are looked for", () => {
  strictEqual(LIMITS.cgroupLevels, MAX_CGROUP_LEVEL);
  ok(parseCgroup("/a".repeat(32)).ok);
});

Deno.test("each printer gives the text that its parser read", () => {
  for (const text of ["/etc/shadow", "/etc/**", "/**", "/"]) {
    strictEqual(formatPathTarget(valueOf(parsePathTarget(text))), text);
  }
  for (const text of ["8:1:2", "8:1:2:0", "8:1:2:7"]) {
    strictEqual(formatInodeTarget(valueOf(parseInodeTarget(text))), text);
  }
  for (const text of ["/", "/a/b", "id:7"]) strictEqual(formatCgroup(valueOf(parseCgroup(text))), text);
});

Deno.test("quote() escapes what a terminal would act on and shortens", () => {
  strictEqual(quote("a\x1b[2J\u202e"), '"a\\u001b[2J\\u202e"');
  strictEqual(quote("a\x9b"), '"a\\u009b"');
  strictEqual(quote("x".repeat(100)).length, 82);
});
