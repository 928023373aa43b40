import { deepEqual, equal, match } from "node:assert/strict";
import { exportPolicy } from "../policy/export.ts";
import { randomPolicy } from "../policy/random_policy.ts";
import { acceptPolicy, Random } from "../policy/testing.ts";
import { POLICY, TestHost } from "./test_support.ts";

const INI = "version=6\n[deny_path]\n/srv/key\n[deny_inode]\n8388609:5\n";

Deno.test("policy import gives back what policy export printed, byte for byte", async () => {
  using host = new TestHost();
  for (let seed = 1; seed <= 30; seed++) {
    const text = exportPolicy(randomPolicy(new Random(seed)));
    equal(await host.run(`policy import ${host.file("p.yaml", text)}`), 0);
    equal(host.out, text, `seed ${seed}`);
  }
});

Deno.test("policy import writes a file, and prints a JSON policy as YAML", async () => {
  using host = new TestHost();
  const path = host.file(
    "p.json",
    JSON.stringify({ version: 1, name: "a", serial: 2, rules: [{ id: "a", paths: ["/a"] }] }),
  );
  equal(await host.run(`policy import ${path} --output ${host.root}/out.yaml`), 0);
  equal(host.out + host.err, "");
  const text = Deno.readTextFileSync(`${host.root}/out.yaml`);
  equal(exportPolicy(acceptPolicy(text)), text);
  equal(await host.run(`policy import --json ${path}`), 0);
  equal(JSON.parse(host.out).policy.serial, 2);
});

Deno.test("policy import --from aegis-ini makes a policy that validates", async () => {
  using host = new TestHost();
  const path = host.file("old policy.conf".replace(" ", "_"), INI);
  equal(await host.run(`policy import ${path} --from aegis-ini -o ${host.root}/new.yaml --serial 12`), 0);
  equal(await host.run(`policy validate ${host.root}/new.yaml`), 0);
  match(host.out, /valid: old_policy \(serial 12\), enforce, 2 rules, 1 path, 1 inode/);
  equal(await host.run(`policy import ${path} --from aegis-ini --json --name web`), 0);
  deepEqual(JSON.parse(host.out).policy, {
    version: 1,
    name: "web",
    serial: 1,
    mode: "enforce",
    rules: [{ id: "deny-path", paths: ["/srv/key"] }, { id: "deny-inode", inodes: ["8:1:5"] }],
  });
});

Deno.test("policy import --from aegis-ini ends with 4 and writes nothing where something has no counterpart", async () => {
  using host = new TestHost();
  const path = host.file("p.conf", `${INI}[deny_ip]\n10.0.0.1\n[allow_cgroup]\ncgid:5\n`);
  const output = `${host.root}/new.yaml`;
  equal(await host.run(`policy import ${path} --from aegis-ini -o ${output}`), 4);
  equal(
    host.err,
    `${path}:6:1: [deny_ip] has no counterpart: 1 entry, lines 7 to 7\n` +
      "aegisbpf: nothing was written: 1 thing without a counterpart; --skip-unsupported leaves them out\n",
  );
  equal(host.out, "");
  equal([...Deno.readDirSync(host.root)].some(({ name }) => name === "new.yaml"), false);
  equal(await host.run(`policy import ${path} --from aegis-ini -o ${output} --skip-unsupported`), 0);
  match(
    host.err,
    /^\S+p\.conf:6:1: warning: \[deny_ip\] .*\naegisbpf: note: A cgroup stands for all below it/,
  );
  equal(await host.run(`policy import ${path} --from aegis-ini --json`), 4);
  equal(JSON.parse(host.out).ok, false);
});

Deno.test("policy import trusts no bundle's signature", async () => {
  using host = new TestHost();
  const path = host.file("p.bundle", `AEGIS-POLICY-BUNDLE-V1\nsig\n---\n${INI}`);
  equal(await host.run(`policy import ${path} --from aegis-ini`), 5);
  match(host.err, /its signature means nothing to this agent; import its body with --unsigned-body/);
  equal(await host.run(`policy import ${path} --from aegis-ini --unsigned-body`), 0);
  match(host.out, /\n {6}- \/srv\/key\n/);
});

const WRONG: readonly (readonly [line: (host: TestHost) => string, exit: number, message: RegExp])[] = [
  [(host) => host.file("p.conf", INI), 2, /give --from aegis-ini/],
  [(host) => `${host.file("p.yaml", POLICY)} --name x`, 2, /are for another agent's policy/],
  [(host) => `${host.file("p.yaml", POLICY)} --from ini`, 2, /Expected one of aegis-ini/],
  [(host) => `${host.file("p.yaml", POLICY)} --from aegis-ini`, 4, /p\.yaml:1:1: "version: 1" stands before/],
  [(host) => `${host.file("p.yaml", POLICY)} -o ${host.root}/no/file`, 2, /cannot write/],
  [(host) => `${host.root}/none`, 2, /there is no such file/],
  [(host) => `${host.file("p.yaml", "rules: []")}`, 4, /the key "version" is missing/],
  [(host) => `${host.file("p.conf", INI)} --from aegis-ini --serial 0`, 2, /Expected a number from 1/],
  [(host) => `${host.file("p.conf", INI)} --from aegis-ini --name -x`, 2, /Expected letters/],
];

for (const [index, [line, exit, message]] of WRONG.entries()) {
  Deno.test(`policy import ends with ${exit} and says ${message.source} (${index})`, async () => {
    using host = new TestHost();
    equal(await host.run(`policy import ${line(host)}`), exit, host.err);
    match(host.err, message);
    equal(host.out, "");
  });
}
