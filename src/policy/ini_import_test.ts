import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { policyFields } from "./export.ts";
import { BUNDLE_MARK, INI_SECTIONS, looksLikeIni } from "./ini.ts";
import { importIni, type IniImportOptions } from "./ini_import.ts";
import { formatProblem } from "./problem.ts";
import { acceptPolicy } from "./testing.ts";

function run(text: string | Uint8Array, options: Partial<IniImportOptions> = {}) {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return importIni(bytes, "p.conf", { name: "p", serial: 1, ...options });
}

function imported(text: string, options: Partial<IniImportOptions> = {}) {
  const result = run(text, options);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join("\n"));
  return { ...result, fields: policyFields(acceptPolicy(result.text)) };
}

function problemsOf(text: string | Uint8Array, options: Partial<IniImportOptions> = {}): string[] {
  const result = run(text, options);
  return result.ok ? [] : result.problems.map(formatProblem);
}

const FULL = `# a policy
version=6

[deny_path]
/etc/shadow
  /opt//secret/./key/  \t
/etc/shadow

[deny_inode]
# 8:1, as the kernel has it
8388609:131074
[allow_cgroup]
/system.slice/backup.service
/sys/fs/cgroup/user.slice/
cgid:5123
[cgroup_deny_inode]
/system.slice/web.service 8388609:7
cgid:9 265289728:18446744073709551615
/system.slice/web.service 8388609:8
[deny_path]
/srv/x
`;

Deno.test("importIni() makes rules of file and cgroup sections", () => {
  const { fields, notes, skipped } = imported(FULL);
  deepStrictEqual(fields, {
    version: 1,
    name: "p",
    serial: 1,
    mode: "enforce",
    scopes: { "cgroup-1": ["/system.slice/web.service"], "cgroup-2": ["id:9"] },
    allow: { cgroups: ["/system.slice/backup.service", "/user.slice", "id:5123"] },
    rules: [
      { id: "deny-path", paths: ["/etc/shadow", "/opt/secret/key", "/srv/x"] },
      { id: "deny-inode", inodes: ["8:1:131074"] },
      { id: "cgroup-1-deny-inode", inodes: ["8:1:7", "8:1:8"], in: ["cgroup-1"] },
      { id: "cgroup-2-deny-inode", inodes: ["253:0:18446744073709551615"], in: ["cgroup-2"] },
    ],
  });
  deepStrictEqual(skipped, []);
  match(notes.join(), /all below it as well/);
});

Deno.test("importIni() writes where things come from and what differs as comments", () => {
  const { text } = imported(FULL);
  match(text, /^# Imported from p\.conf, an INI policy of version 6\.\n/);
  match(text, /\n# The INI format has no mode: .*\nmode: enforce\n/);
  match(text, /\n# From \[allow_cgroup\]\. A cgroup stands for all below it as well; .*\nallow:\n/);
});

Deno.test("importIni() reads every version, and a policy without a section", () => {
  for (let version = 1; version <= 6; version++) {
    deepStrictEqual(imported(`version=${version}\r\n`).fields.rules, []);
    strictEqual(imported(`version=${version}\n[deny_path]\n/a`).skipped.length, 0);
  }
});

const SUPPORTED = ["deny_path", "deny_inode", "allow_cgroup", "cgroup_deny_inode", "protect_path"];
const UNSUPPORTED = Object.keys(INI_SECTIONS).filter((name) => !SUPPORTED.includes(name));

Deno.test("importIni() lists every section without a counterpart with its line, and fails", () => {
  strictEqual(UNSUPPORTED.length, 18);
  const text = `version=6\n${UNSUPPORTED.map((name) => `[${name}]\nx ${name}\n`).join("")}`;
  deepStrictEqual(
    problemsOf(text),
    UNSUPPORTED.map((name, index) =>
      `p.conf:${2 + 2 * index}:1: [${name}] has no counterpart: 1 entry, lines ${3 + 2 * index} to ${
        3 + 2 * index
      }`
    ),
  );
  const result = run(text);
  ok(!result.ok && result.unsupported);
});

Deno.test("importIni() leaves them out with skipUnsupported, and says so in the result", () => {
  const text = "version=6\n[deny_port]\n80\n443\n[deny_path]\n/a\n/b*\n/c/../d\n[protect_path]\n/x\n";
  const { fields, skipped, text: result } = imported(text, { skipUnsupported: true });
  deepStrictEqual(fields.rules, [{ id: "deny-path", paths: ["/a"] }]);
  deepStrictEqual(skipped.map(({ line }) => line), [2, 7, 8, 10]);
  match(result, /^#\s+p\.conf:2:1: \[deny_port\] has no counterpart: 2 entries, lines 3 to 4$/m);
  match(skipped[3]?.message ?? "", /\[protect_path\] "\/x" has no counterpart: .* except\.exe/);
});

const REFUSED: readonly (readonly [text: string, problem: RegExp])[] = [
  ["", /^p\.conf:1:1: version: the version is missing; expected version=N/],
  ["# only\n", /the version is missing/],
  ["version=7", /^p\.conf:1:1: version: "7" is not a version of this format; expected 1 to 6/],
  ["version=0", /"0" is not a version/],
  ["version=01", /"01" is not a version/],
  ["version=", /"" is not a version/],
  ["version=1\nversion=2", /^p\.conf:2:1: version: the version is already on line 1/],
  ["\n  what=1\nversion=1", /^p\.conf:2:3: "what=1" stands before the first section/],
  ["[deny_path]\n/a\nversion=1", /the version is missing/],
  [
    "version=1\n[deny_paths]\n/a",
    /^p\.conf:2:1: "\[deny_paths\]" is not a section .*did you mean \[deny_path\]/,
  ],
  ["version=1\n[deny_path\n/a", /did you mean \[deny_path\]/],
  ["version=1\n[toString]", /is not a section/],
  [
    "version=3\n[protect_path]",
    /^p\.conf:2:1: \[protect_path\] is not in version 3; expected version 4 or later/,
  ],
  ["version=5\n[cgroup_deny_inode]", /expected version 6 or later/],
  ["version=1\n[deny_path]\nrelative", /^p\.conf:3:1: "relative" is not an absolute path/],
  [`version=1\n[deny_path]\n/${"a".repeat(255)}`, /the path is too long; expected at most 255 bytes/],
  ["version=1\n[deny_inode]\n8:1:131074", /^p\.conf:3:1: "8:1:131074" is not an inode; expected DEV:INO/],
  ["version=1\n[deny_inode]\n-1:5", /is not an inode/],
  ["version=1\n[deny_inode]\n4294967296:5", /the device 4294967296 is too large/],
  ["version=1\n[deny_inode]\n1:0", /the inode number 0 is out of range/],
  ["version=1\n[deny_inode]\n1:18446744073709551616", /out of range/],
  ["version=1\n[allow_cgroup]\nsystem.slice", /is relative|is not/],
  ["version=1\n[allow_cgroup]\ncgid:0", /cgroup id is not between/],
  ["version=1\n[allow_cgroup]\n/a/../b", /contains "\.\."/],
  ["version=6\n[cgroup_deny_inode]\n/a", /is not a cgroup and an inode/],
  ["version=6\n[cgroup_deny_inode]\n/a  1:2", /is not a cgroup and an inode/],
  ["version=6\n[cgroup_deny_inode]\n/a 1:2 3", /is not a cgroup and an inode/],
  ["\ufeffversion=1", /stands before the first section/],
  [`${BUNDLE_MARK}\nsig\n---\nversion=1`, /^p\.conf:1:1: this is a signed bundle, .*--unsigned-body/],
];

for (const [text, problem] of REFUSED) {
  Deno.test(`importIni() refuses ${JSON.stringify(text.slice(0, 60))}`, () => {
    const problems = problemsOf(text, { skipUnsupported: true });
    match(problems.find((line) => problem.test(line)) ?? problems.join("\n"), problem);
  });
}

Deno.test("importIni() tells all that is wrong at once", () => {
  const text = "version=9\n[deny_inode]\nx\n1:2\ny\n[nothing]\nz\n[allow_cgroup]\na\n";
  deepStrictEqual(problemsOf(text).map((line) => line.split(":").slice(1, 3).join(":")), [
    "1:1",
    "3:1",
    "5:1",
    "6:1",
    "9:1",
  ]);
});

Deno.test("importIni() refuses what is not UTF-8 and what is too large", () => {
  match(problemsOf(Uint8Array.of(0x76, 0xff))[0] ?? "", /^p\.conf:1:2: this is not UTF-8/);
  match(problemsOf(new Uint8Array(9 << 20).fill(0x0a))[0] ?? "", /has 9437184 bytes; expected at most/);
  const inodes = Array.from({ length: 100_001 }, (_, index) => `1:${index + 1}`).join("\n");
  match(problemsOf(`version=1\n[deny_inode]\n${inodes}`)[0] ?? "", /^p\.conf:100003:1: one entry too many/);
  const cgroups = Array.from({ length: 64 }, (_, index) => `/c${index} 1:1`).join("\n");
  match(
    problemsOf(`version=6\n[cgroup_deny_inode]\n${cgroups}`)[0] ?? "",
    /^p\.conf:66:1: one cgroup too many/,
  );
});

Deno.test("importIni() takes the body of a bundle where it is told to", () => {
  const bundle = `${BUNDLE_MARK}\nsignature=xyz\n[nonsense]\n---\nversion=1\n[deny_path]\n/a\n---\n`;
  const problems = problemsOf(bundle, { unsignedBody: true });
  match(problems[0] ?? "", /^p\.conf:8:1: "---" is not an absolute path/);
  const { fields } = imported(bundle.replace(/---\n$/, ""), { unsignedBody: true });
  deepStrictEqual(fields.rules, [{ id: "deny-path", paths: ["/a"] }]);
  match(
    problemsOf(`${BUNDLE_MARK}\nversion=1\n`, { unsignedBody: true })[0] ?? "",
    /the bundle has no policy/,
  );
});

Deno.test("importIni() keeps a file's name and an entry from leaving their comments", () => {
  const result = importIni(
    new TextEncoder().encode("version=1\n[protect_connect]\na\u2028b\n"),
    "a\nrules: []\n",
    { name: "p", serial: 1, skipUnsupported: true },
  );
  ok(result.ok);
  match(result.text, /^# Imported from a\?rules: \[\]\?, an INI policy/);
});

Deno.test("looksLikeIni() tells an INI policy and a bundle from a policy of this format", () => {
  strictEqual(looksLikeIni("# x\n\nversion=3\n"), "ini");
  strictEqual(looksLikeIni("[deny_path]\n"), "ini");
  strictEqual(looksLikeIni(`${BUNDLE_MARK}\n`), "bundle");
  strictEqual(looksLikeIni("version: 1\n"), undefined);
  strictEqual(looksLikeIni('["a"]'), undefined);
  strictEqual(looksLikeIni(""), undefined);
});
