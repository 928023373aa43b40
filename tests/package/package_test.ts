/**
 * What only packages show: their contents, the tools that judge them, and a Debian that installs, upgrades, boots and
 * removes one. `scripts/package` has run; real tools, a real systemd.
 */

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { buildAct, copyAgent, ROOT, tool } from "../vm/pack.ts";

const DIST = `${ROOT}/dist`;
const WORK = `${ROOT}/build/package-test`;
const VM = `${ROOT}/tests/vm/vm`;
const GUEST = `${ROOT}/tests/package/guest`;

/** RHEL 9's; Ubuntu 22.04 has 2.35. */
const NEWEST_GLIBC = "2.34";

interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly all: string;
}

async function run(program: string, ...args: string[]): Promise<Done> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), all: text.decode(stdout) + text.decode(stderr) };
}

async function succeed(program: string, ...args: string[]): Promise<string> {
  const done = await run(program, ...args);
  strictEqual(done.code, 0, `${program} ${args.join(" ")}: ${done.all.slice(-2000)}`);
  return done.stdout;
}

function built(suffix: string): string {
  const names = [...Deno.readDirSync(DIST)].map(({ name }) => name).filter((name) => name.endsWith(suffix));
  strictEqual(names.length, 1, `one ${suffix} in dist: ${names}`);
  return `${DIST}/${names[0]}`;
}

function isElf(path: string): boolean {
  using file = Deno.openSync(path);
  const magic = new Uint8Array(4);
  return file.readSync(magic) === 4 && new TextDecoder().decode(magic) === "\x7fELF";
}

async function fresh(name: string): Promise<string> {
  const dir = `${WORK}/${name}`;
  await Deno.remove(dir, { recursive: true }).catch(() => {});
  await Deno.mkdir(dir, { recursive: true });
  return dir;
}

Deno.test("lintian finds nothing in the Debian package", async () => {
  // The tag that a package's own override explains is not printed.
  const { all, code } = await run("lintian", "--allow-root", "--fail-on", "error,warning", built(".deb"));
  strictEqual(code, 0, all);
});

Deno.test("rpmlint finds nothing in the RPM", async () => {
  const { all, code } = await run("rpmlint", "--config", `${ROOT}/rpm/rpmlint.toml`, built(".rpm"));
  strictEqual(code, 0, all);
  ok(/0 errors, 0 warnings/.test(all), all);
});

Deno.test("both packages hold the same files, each under its family's names", async () => {
  const deb = (await succeed("dpkg-deb", "-c", built(".deb"))).split("\n").flatMap((line) =>
    line.startsWith("-") ? [line.split(/\s+/)[5]?.slice(1) ?? ""] : []
  );
  const rpm = (await succeed("rpm", "-qlp", "--nosignature", built(".rpm"))).trim().split("\n");
  const expected = [
    "/usr/bin/aegisbpf",
    "/usr/share/man/man1/aegisbpf.1.gz",
    "/usr/share/man/man5/aegisbpf-policy.5.gz",
    "/usr/share/man/man8/aegisbpf.8.gz",
    "/usr/share/bash-completion/completions/aegisbpf",
    "/usr/share/fish/vendor_completions.d/aegisbpf.fish",
    "/usr/share/aegisbpf/policy.schema.json",
    "/usr/share/aegisbpf/events.schema.json",
    "/usr/share/aegisbpf/sbom.cdx.json",
    "/usr/share/aegisbpf/dashboards/aegisbpf.grafana.json",
    "/usr/share/aegisbpf/dashboards/aegisbpf.rules.yaml",
  ];
  const both = (path: string) => [deb.includes(path), rpm.includes(path)];
  for (const path of expected) deepStrictEqual(both(path), [true, true], path);
  // debhelper of Debian 12 looks for units there; both are the same folder.
  deepStrictEqual(both("/lib/systemd/system/aegisbpf.service"), [true, false]);
  deepStrictEqual(both("/usr/lib/systemd/system/aegisbpf.service"), [false, true]);
  // Long ones are compressed in the Debian package.
  const example = (path: string) => path.startsWith("/usr/share/doc/aegisbpf/examples/policy.yaml");
  deepStrictEqual([deb.some(example), rpm.some(example)], [true, true]);
  deepStrictEqual(both("/usr/share/zsh/vendor-completions/_aegisbpf"), [true, false]);
  deepStrictEqual(both("/usr/share/zsh/site-functions/_aegisbpf"), [false, true]);
  deepStrictEqual(both("/etc/default/aegisbpf"), [true, false]);
  deepStrictEqual(both("/etc/sysconfig/aegisbpf"), [false, true]);
});

Deno.test("neither package holds a policy that would be in force on install", async () => {
  const all = await succeed("dpkg-deb", "-c", built(".deb")) +
    await succeed("rpm", "-qlp", "--nosignature", built(".rpm"));
  ok(!all.includes("/etc/aegisbpf/policy.yaml"), all);
});

Deno.test("every licence that the bill of materials names has its text in the packages", async () => {
  const { components } = JSON.parse(
    await succeed(
      "dpkg-deb",
      "--fsys-tarfile",
      built(".deb"),
    ).then(() => Deno.readTextFile(`${DIST}/sbom.cdx.json`)),
  );
  const files = await succeed("dpkg-deb", "-c", built(".deb"));
  ok(components.length >= 10, String(components.length));
  for (const { name, licenses } of components) {
    ok(licenses.length === 1, name);
    const file = name.replace(/^@/, "").replaceAll("/", "-");
    // Long ones are compressed.
    const text = new RegExp(`/usr/share/doc/aegisbpf/licences/${file}(\\.gz)?\\n`);
    ok(text.test(files), `the licence of ${name}`);
  }
});

Deno.test("what the packages hold needs at most glibc 2.34, and the executable is below 100 MB", async () => {
  const tree = await fresh("contents");
  await succeed("dpkg-deb", "-x", built(".deb"), tree);
  const files = (await succeed("find", tree, "-type", "f")).trim().split("\n");
  const [executable = "", ...others] = files.filter(isElf);
  // libbpf is inside the executable, from where it is loaded as it is.
  deepStrictEqual([executable, others], [`${tree}/usr/bin/aegisbpf`, []]);
  for (const path of [executable, `${ROOT}/build/libbpf.so`]) {
    const needed = await succeed("readelf", "-V", path);
    const versions = [...needed.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) =>
      Number(major) * 1000 + Number(minor)
    );
    const [major, minor] = NEWEST_GLIBC.split(".").map(Number);
    ok(versions.length > 0 && Math.max(...versions) <= (major ?? 0) * 1000 + (minor ?? 0), path);
  }
  ok((await Deno.stat(executable)).size <= 100_000_000);
  const format = "[%{FILECLASS}\t%{FILENAMES}\t%{FILEDIGESTS}\n]";
  const listed = (await succeed("rpm", "-qp", "--nosignature", "--qf", format, built(".rpm"))).split("\n");
  const [sum] = (await succeed("sha256sum", executable)).split(" ");
  deepStrictEqual(
    listed.filter((line) => line.startsWith("ELF ")).map((line) => line.split("\t").slice(1)),
    [["/usr/bin/aegisbpf", sum]],
  );
  await Deno.remove(tree, { recursive: true });
});

Deno.test("the SELinux module compiles, and the RPM's sub-package for it is there where it is asked for", async () => {
  const dir = await fresh("selinux");
  await succeed("cp", "-r", `${ROOT}/rpm/selinux/.`, dir);
  await succeed("make", "-s", "-C", dir, "-f", "/usr/share/selinux/devel/Makefile", "aegisbpf.pp");
  await succeed("semodule_unpackage", `${dir}/aegisbpf.pp`, `${dir}/module`, `${dir}/contexts`);
  ok(
    (await Deno.readTextFile(`${dir}/contexts`)).includes(
      "/usr/bin/aegisbpf\t--\tsystem_u:object_r:aegisbpf_exec_t",
    ),
  );
  const defines = ["staged /nowhere", "product_version 1", "changes /dev/null"];
  const names = await succeed("rpmspec", "-q", "--qf", "%{NAME}\n", "--with", "selinux", ...[
    ...defines.flatMap((define) => ["--define", define]),
    ...["--target", "x86_64", `${ROOT}/rpm/aegisbpf.spec`],
  ]);
  deepStrictEqual(names.trim().split("\n"), ["aegisbpf", "aegisbpf-selinux"]);
});

Deno.test("rpm installs and removes the RPM in a root of its own, with its scriptlets", async () => {
  const root = await fresh("rpm-root");
  const cache =
    (await succeed("bash", "-c", `. ${ROOT}/tests/vm/images.sh; die() { exit 1; }; rootfs_dir amd64`))
      .trim();
  await succeed("cp", "-a", `${cache}/.`, root);
  const rpm = (...args: string[]) => run("rpm", "--root", root, "--nosignature", ...args);
  strictEqual((await rpm("-i", "--nodeps", "--test", built(".rpm"))).code, 0);
  const installed = await rpm("-i", "--nodeps", built(".rpm"));
  strictEqual(installed.code, 0, installed.all);
  ok((await Deno.stat(`${root}/usr/bin/aegisbpf`)).isFile);
  const removed = await rpm("-e", "aegisbpf");
  strictEqual(removed.code, 0, removed.all);
  deepStrictEqual((await run("find", root, "-name", "*aegisbpf*", "-not", "-path", "*/rpm/*")).stdout, "");
  await Deno.remove(root, { recursive: true });
});

Deno.test("the executable enforces on 6.1 in a root that has nothing but glibc", async () => {
  const dir = await fresh("bare"), root = `${dir}/root`;
  await Deno.mkdir(`${root}/lib64`, { recursive: true });
  await Deno.mkdir(`${root}/lib/x86_64-linux-gnu`, { recursive: true });
  await buildAct(dir);
  await copyAgent(`${DIST}/aegisbpf`, root);
  for (
    const library of [
      "libc.so.6",
      "libm.so.6",
      "libdl.so.2",
      "librt.so.1",
      "libpthread.so.0",
      "libgcc_s.so.1",
    ]
  ) {
    await succeed("cp", "-L", `/lib/x86_64-linux-gnu/${library}`, `${root}/lib/x86_64-linux-gnu/`);
  }
  await succeed("cp", "-L", "/lib64/ld-linux-x86-64.so.2", `${root}/lib64/`);
  await Deno.writeTextFile(`${dir}/case`, BARE);
  const { all, code } = await run(
    VM,
    "run",
    "--kernel",
    "6.1",
    "--mem",
    "1024",
    "--share",
    dir,
    "--",
    "bash",
    "./case",
  );
  strictEqual(code, 0, all);
  ok(all.includes("\nsecret EPERM\nother ok\n"), all);
});

const BARE = `
root=$PWD/root
mkdir -p $root/{proc,sys,dev,run,etc/aegisbpf,srv,var/lib,tmp}
for d in proc sys dev; do mount --rbind /$d $root/$d; done
echo secret >$root/srv/secret
echo other >$root/srv/other
cat >$root/etc/aegisbpf/policy.yaml <<'POLICY'
version: 1
name: bare
serial: 1
mode: enforce
rules: [{ id: secret, paths: [/srv/secret] }]
POLICY
chroot $root /aegisbpf run --events off 2>$root/log &
for i in $(seq 200); do [ -S $root/run/aegisbpf/control.sock ] && break; sleep 0.2; done
cat $root/log
echo
echo "secret $(./act open-read $root/srv/secret)"
echo "other $(./act open-read $root/srv/other)"
`;

Deno.test("a Debian with systemd installs, enforces, upgrades under load, boots again and removes", async (t) => {
  const dir = await fresh("guest"), disk = `${WORK}/guest.qcow2`, image = `${WORK}/guest.img`;
  await buildAct(dir);
  await Deno.copyFile(built(".deb"), `${dir}/first.deb`);
  await higherVersion(built(".deb"), `${dir}/second.deb`);
  await Deno.copyFile(`${ROOT}/tests/package/in-guest`, `${dir}/in-guest`);
  await tool(VM, ["pack", dir, image]);
  await tool(GUEST, ["disk", disk]);
  for (const stage of [1, 2]) {
    const { all } = await run(GUEST, "boot", disk, image);
    const lines = all.split("\n").map((line) => line.trimEnd());
    for (const line of lines) {
      const [, result, name = ""] = line.match(/^(ok|FAILED) (.*)$/) ?? [];
      if (result === "ok") await t.step(name, () => {});
      else if (result === "FAILED") {
        await t.step(name.split(":")[0] ?? name, () => {
          throw new Error(`${line}\n${all.slice(-6000)}`);
        });
      }
    }
    ok(lines.includes(`end of stage ${stage}`), `the guest did not come to its end: ${all.slice(-6000)}`);
  }
});

/** The same package under a higher version, packed quickly. */
async function higherVersion(deb: string, path: string): Promise<void> {
  const tree = await fresh("second");
  await tool("dpkg-deb", ["-R", deb, tree]);
  const control = `${tree}/DEBIAN/control`;
  await Deno.writeTextFile(control, (await Deno.readTextFile(control)).replace(/^Version: .*$/m, "$&+next"));
  await tool("dpkg-deb", ["-Zgzip", "-z1", "--root-owner-group", "-b", tree, path]);
  await Deno.remove(tree, { recursive: true });
}
