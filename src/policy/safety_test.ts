import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { essentialFiles, programFile } from "./essential.ts";
import { deviceNumbers, hostFacts, mappedByInit } from "./host_facts.ts";
import type { Policy } from "./model.ts";
import { findLockouts, formatLockout, type HostFacts, type Lockout } from "./safety.ts";
import { acceptPolicy } from "./testing.ts";

const AGENT = {
  executable: "/usr/bin/aegisbpf",
  configuration: "/etc/aegisbpf",
  writable: ["/var/lib/aegisbpf", "/run/aegisbpf", "/sys/fs/bpf/aegisbpf"],
};

/** A host with /usr merged, dash as sh, a hard link to bash, and /usr mounted a second time. */
const LINKS: Readonly<Record<string, string>> = {
  "/bin": "/usr/bin",
  "/lib": "/usr/lib",
  "/lib64": "/usr/lib64",
  "/bin/sh": "/usr/bin/dash",
  "/bin/bash": "/usr/bin/bash",
  "/lib64/ld-linux-x86-64.so.2": "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
  "/lib/x86_64-linux-gnu/libc.so.6": "/usr/lib/x86_64-linux-gnu/libc.so.6",
  "/home/me/passwd-link": "/etc/passwd",
};
const INODES: Readonly<Record<string, bigint>> = {
  "/usr": 10n,
  "/mnt/usr": 10n,
  "/usr/bin": 11n,
  "/usr/bin/bash": 20n,
  "/opt/hard-link-to-bash": 20n,
  "/etc/passwd": 30n,
};

const facts: HostFacts = {
  realpath: (path) => LINKS[path] ?? (path in INODES ? path : undefined),
  identity: (path) => {
    const ino = INODES[LINKS[path] ?? path];
    return ino === undefined ? undefined : { major: 8, minor: 1, ino };
  },
  below: () => [],
};

function policyOf(rules: string, head = ""): Policy {
  return acceptPolicy(`version: 1\nname: test\nserial: 1\n${head}rules:\n${rules}`);
}

function check(rules: string, head = ""): readonly Lockout[] {
  return findLockouts(policyOf(rules, head), essentialFiles(AGENT), facts);
}

/** The one lock-out of a rule with these fields. */
function lockoutOf(fields: string, head = ""): string {
  const found = check(`  - { id: r, ${fields} }`, head);
  strictEqual(found.length, 1, JSON.stringify(found));
  ok(found[0]);
  return formatLockout(found[0]);
}

const harmful: readonly (readonly [fields: string, reason: RegExp])[] = [
  ["paths: [/**]", /^rule r: \/\*\* covers everything; name the directories/],
  ["paths: [/etc/**]", /covers the whole of \/etc/],
  ["paths: [/usr/**], deny: [write]", /covers the whole of \/usr/],
  ["paths: [/bin/**], deny: [delete]", /covers the whole of \/bin/],
  ["paths: [/mnt/usr/**], deny: [write]", /covers the whole of \/usr/],
  ["paths: [/usr/bin/**]", /covers a login program, \/usr\/bin\/sudo and \d+ more/],
  ["paths: [/usr/lib/x86_64-linux-gnu/**], deny: [exec]", /covers the dynamic loader, \/lib64\/ld-linux/],
  ["paths: [/lib64/ld-linux-x86-64.so.2]", /covers the dynamic loader/],
  ["paths: [/usr/lib/x86_64-linux-gnu/libc.so.6], deny: [read]", /covers the C library/],
  ["paths: [/sbin/init]", /covers PID 1/],
  ["paths: [/usr/sbin/sshd], deny: [exec]", /covers a login program/],
  ["paths: [/bin/sh], deny: [exec]", /covers a login shell/],
  ["paths: [/usr/bin/dash]", /covers a login shell, \/bin\/sh/],
  ["paths: [/opt/hard-link-to-bash]", /covers a login shell, \/bin\/bash/],
  ['inodes: ["8:1:20"]', /^rule r: 8:1:20 covers a login shell/],
  ["paths: [/etc/passwd]", /covers a file that logins read/],
  ["paths: [/home/me/passwd-link]", /\/home\/me\/passwd-link covers a file that logins read, \/etc\/passwd/],
  ["paths: [/etc/pam.d/**]", /covers PAM's configuration/],
  ["paths: [/etc/pam.d/common-auth]", /covers PAM's configuration/],
  ["paths: [/usr/lib/security/pam_unix.so]", /covers PAM's modules/],
  ["paths: [/dev/null], deny: [write]", /covers a device that logins open/],
  ["paths: [/etc/aegisbpf/policy.yaml]", /covers the agent's configuration/],
  ["paths: [/var/lib/**], deny: [write]", /covers the agent's own files, \/var\/lib\/aegisbpf/],
  ["paths: [/run/aegisbpf/**], deny: [delete]", /covers the agent's own files/],
  ["paths: [/sys/fs/**], deny: [write]", /covers the agent's own files/],
  ["paths: [/usr/bin/aegisbpf], deny: [exec]", /covers the agent's program/],
  ["paths: [/etc/passwd], except: { uids: [0], exe: [/usr/sbin/sshd] }", /covers a file that logins read/],
];

for (const [fields, reason] of harmful) {
  Deno.test(`findLockouts() refuses { ${fields} }`, () => match(lockoutOf(fields), reason));
}

const harmless = [
  "paths: [/etc/shadow]",
  "paths: [/etc/ssl/private/**, /etc/ssh/ssh_host_ed25519_key]",
  "paths: [/etc/passwd], deny: [write, delete, rename]",
  "paths: [/etc/passwd-, /etc/pam.data, /etc/aegisbpf-demo/x]",
  "paths: [/usr/bin/**], deny: [write, delete, rename, link, attr, truncate]",
  "paths: [/etc/**], mode: audit",
  "paths: [/srv/**, /opt/**, /var/log/**]",
  "paths: [/etc]",
  "paths: [/var/lib/**], deny: [exec]",
  "paths: [/etc/aegisbpf/**], deny: [write]",
  "paths: [/etc/aegisbpf/**, /var/lib/aegisbpf/**], except: { exe: [/usr/bin/aegisbpf] }",
  'inodes: ["8:2:20"]',
];

for (const fields of harmless) {
  Deno.test(`findLockouts() accepts { ${fields} }`, () =>
    deepStrictEqual(check(`  - { id: r, ${fields} }`), []));
}

Deno.test("findLockouts() accepts anything in a scope, unless the scope is the whole host", () => {
  const rule = "paths: [/etc/**, /bin/sh], in: [web]";
  deepStrictEqual(check(`  - { id: r, ${rule} }`, "scopes: { web: [/system.slice/nginx.service] }\n"), []);
  for (const whole of ["/", "id:1"]) {
    strictEqual(check(`  - { id: r, ${rule} }`, `scopes: { web: [/a, "${whole}"] }\n`).length, 2);
  }
});

Deno.test("findLockouts() accepts the policy of the contract's example, enforced", () => {
  const rule = "  - { id: tls-keys, paths: [/etc/ssl/private/**, /etc/shadow], in: [web] }";
  deepStrictEqual(check(rule, "scopes: { web: [/system.slice/nginx.service] }\n"), []);
});

Deno.test("findLockouts() tells each target's line and all that it covers, in the policy's order", () => {
  const found = check(
    "  - id: a\n    paths:\n      - /srv/x\n      - /bin/sh\n      - /etc/pam.d/**\n  - { id: b, paths: [/] }\n",
  );
  deepStrictEqual(found.map(({ rule, line, target, covers }) => ({ rule, line, target, covers })), [
    { rule: "a", line: 8, target: "/bin/sh", covers: ["/bin/sh"] },
    { rule: "a", line: 9, target: "/etc/pam.d/**", covers: ["/etc/pam.d"] },
  ]);
});

Deno.test("findLockouts() takes what else the caller knows to be essential", () => {
  const policy = policyOf("  - { id: r, paths: [/opt/init/lib.so] }");
  const found = findLockouts(policy, [programFile("/opt/init/lib.so", "a file that PID 1 runs")], facts);
  strictEqual(found[0]?.reason, "covers a file that PID 1 runs, /opt/init/lib.so");
});

Deno.test("findLockouts() finds this host's shell and PID 1 by the host's own facts", () => {
  const shell = Deno.realPathSync("/bin/sh");
  const policy = policyOf(`  - { id: r, paths: [${shell}] }`);
  const found = findLockouts(policy, [...essentialFiles(AGENT), ...mappedByInit()], hostFacts);
  strictEqual(found[0]?.target, shell);
});

Deno.test("deviceNumbers() unpacks small and large numbers", () => {
  deepStrictEqual(deviceNumbers(0x801n), { major: 8, minor: 1 });
  // makedev(4095, 1048575) of the C library.
  deepStrictEqual(deviceNumbers(0xffff_ffffn), { major: 4095, minor: 1048575 });
  deepStrictEqual(deviceNumbers(0x1000_0000_0801n), { major: 0x1008, minor: 1 });
});
