import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { libc, mount, MountFlags, unmount } from "../../ffi/libc.ts";
import { type Essential, programFile } from "./essential.ts";
import { hostFacts } from "./host_facts.ts";
import { findLockouts } from "./safety.ts";
import { acceptPolicy } from "./testing.ts";

// It stays open until the process ends; opened within a test it would count as a leak of that test.
libc();

const ignore = Deno.uid() !== 0;

/** A host in a folder: a program `usr/bin/sh`, and PAM's configuration with a file in a folder of it. */
class Host implements Disposable {
  readonly folder: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "aegisbpf-safety-" }));
  readonly #mounts: string[] = [];

  constructor() {
    for (const folder of ["usr/bin", "etc/pam.d/sub", "mnt"]) {
      Deno.mkdirSync(`${this.folder}/${folder}`, { recursive: true });
    }
    for (const file of ["usr/bin/sh", "usr/bin/other", "etc/pam.d/sub/login"]) {
      Deno.writeTextFileSync(`${this.folder}/${file}`, "");
    }
  }

  bind(from: string, to: string): void {
    if (Deno.statSync(`${this.folder}/${from}`).isDirectory) Deno.mkdirSync(`${this.folder}/${to}`);
    else Deno.writeTextFileSync(`${this.folder}/${to}`, "");
    mount(`${this.folder}/${from}`, `${this.folder}/${to}`, "", MountFlags.Bind);
    this.#mounts.push(`${this.folder}/${to}`);
  }

  /** Paths of essential files that a rule with this target covers, without the folder's. */
  covered(target: string): string[] {
    const essentials: Essential[] = [
      programFile(`${this.folder}/usr/bin/sh`, "a login shell"),
      {
        path: `${this.folder}/etc/pam.d`,
        tree: true,
        what: "PAM's configuration",
        needs: ["read"],
        agent: false,
      },
    ];
    const key = target.startsWith("/") ? `paths: ["${this.folder}${target}"]` : `inodes: ["${target}"]`;
    const policy = acceptPolicy(`version: 1\nname: a\nserial: 1\nrules: [{id: r, ${key}}]`);
    return findLockouts(policy, essentials, hostFacts).flatMap(({ covers }) =>
      covers.map((path) => path.slice(this.folder.length))
    );
  }

  [Symbol.dispose](): void {
    for (const path of this.#mounts.toReversed()) unmount(path, { detach: true });
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const SHELL = ["/usr/bin/sh"];
const PAM = ["/etc/pam.d"];

Deno.test("findLockouts() sees through hard links and symbolic links, wherever on the way", () => {
  using host = new Host();
  const at = (path: string) => `${host.folder}${path}`;
  Deno.linkSync(at("/usr/bin/sh"), at("/mnt/hard"));
  Deno.linkSync(at("/etc/pam.d/sub/login"), at("/mnt/pam-hard"));
  Deno.symlinkSync("hard", at("/mnt/soft"));
  Deno.symlinkSync("../usr", at("/mnt/usr"));
  Deno.symlinkSync("../etc", at("/mnt/etc"));
  for (const path of ["/mnt/hard", "/mnt/soft", "/mnt/usr/bin/sh", "/mnt/usr/bin/**", "/mnt/usr/**"]) {
    deepStrictEqual(host.covered(path), SHELL, path);
  }
  // A file that is only to come into an essential directory, too.
  for (
    const path of [
      "/mnt/pam-hard",
      "/mnt/etc/pam.d/sub/login",
      "/mnt/etc/pam.d/new/file",
      "/mnt/etc/pam.d/**",
    ]
  ) deepStrictEqual(host.covered(path), PAM, path);
  for (const path of ["/mnt/usr/bin/other", "/mnt/usr", "/mnt/none", "/mnt/etc/none"]) {
    deepStrictEqual(host.covered(path), [], path);
  }
});

Deno.test({
  name: "findLockouts() sees through bind mounts of files, of directories above them and inside them",
  ignore,
  fn: () => {
    using host = new Host();
    host.bind("usr/bin/sh", "mnt/file");
    host.bind("usr/bin", "mnt/bin");
    host.bind("usr", "mnt/usr");
    host.bind("etc/pam.d", "mnt/pam");
    host.bind("etc/pam.d/sub", "mnt/sub");
    for (const path of ["/mnt/file", "/mnt/bin/sh", "/mnt/bin/**", "/mnt/usr/bin/**", "/mnt/usr/**"]) {
      deepStrictEqual(host.covered(path), SHELL, path);
    }
    for (
      const path of ["/mnt/pam/sub/login", "/mnt/sub/login", "/mnt/sub/new", "/mnt/sub/**", "/mnt/pam/**"]
    ) {
      deepStrictEqual(host.covered(path), PAM, path);
    }
    for (const path of ["/mnt/bin/other", "/mnt/bin"]) deepStrictEqual(host.covered(path), [], path);
  },
});

Deno.test("findLockouts() knows an essential file by its inode, and one in an essential directory", () => {
  using host = new Host();
  for (const [path, covers] of [["/usr/bin/sh", SHELL], ["/etc/pam.d/sub/login", PAM]] as const) {
    const { major = 0, minor = 0, ino = 0n } = hostFacts.identity(`${host.folder}${path}`) ?? {};
    deepStrictEqual(host.covered(`${major}:${minor}:${ino}`), covers);
    deepStrictEqual(host.covered(`${major}:${minor}:${ino}:7`), covers);
    deepStrictEqual(host.covered(`${major}:${minor + 1}:${ino}`), []);
  }
});

Deno.test("findLockouts() holds 10,000 paths against this host in less than two seconds", () => {
  using host = new Host();
  const paths = Array.from({ length: 10_000 }, (_, index) => `${host.folder}/mnt/${index % 100}/${index}`);
  const policy = acceptPolicy(
    `version: 1\nname: a\nserial: 1\nrules:\n- id: r\n  paths:\n${
      paths.map((path) => `  - ${path}\n`).join("")
    }`,
  );
  const start = performance.now();
  deepStrictEqual(findLockouts(policy, [programFile("/bin/sh", "a login shell")], hostFacts), []);
  const ms = performance.now() - start;
  strictEqual(ms < 2000, true, `took ${ms} ms`);
});
