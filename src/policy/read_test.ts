import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { geteuid } from "node:process";
import { fileURLToPath } from "node:url";
import { LIMITS } from "./limits.ts";
import { PolicyFileError, type PolicyFileErrorCode, readPolicyFile } from "./read.ts";

const isRoot = geteuid?.() === 0;

/** A folder of the test's own under /tmp, which only its owner can write to. */
class Folder implements Disposable {
  readonly path = mkdtempSync("/tmp/aegisbpf-read-");

  /** A file with a mode, whatever the umask. */
  file(name: string, text = "version: 1\n", mode = 0o644): string {
    const path = join(this.path, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function refused(path: string, code: PolicyFileErrorCode, message: RegExp, maxBytes?: number): void {
  throws(() => readPolicyFile(path, maxBytes === undefined ? {} : { maxBytes }), (error: unknown) => {
    ok(error instanceof PolicyFileError, String(error));
    strictEqual(error.code, code);
    ok(error.message.startsWith(`${path}: `), error.message);
    ok(!error.message.includes("\n"), error.message);
    match(error.message, message);
    return true;
  });
}

Deno.test("readPolicyFile() gives the bytes of a file that only its owner can write", () => {
  using folder = new Folder();
  for (const mode of [0o600, 0o644, 0o444, 0o700]) {
    const path = folder.file("policy.yaml", "caf\u00e9\0", mode);
    deepStrictEqual(readPolicyFile(path), { path, bytes: Buffer.from("caf\u00e9\0") });
  }
  strictEqual(readPolicyFile(folder.file("empty", "")).bytes.length, 0);
});

Deno.test("readPolicyFile() reads a large file whole, and not one byte more than the limit", () => {
  using folder = new Folder();
  const text = "0123456789".repeat(30_000);
  const path = folder.file("large", text);
  strictEqual(Buffer.from(readPolicyFile(path).bytes).toString(), text);
  strictEqual(readPolicyFile(path, { maxBytes: 300_000 }).bytes.length, 300_000);
  refused(path, "too-large", /larger than 299999 bytes/, 299_999);
});

Deno.test("readPolicyFile() refuses a file beyond the limit without reading it", () => {
  using folder = new Folder();
  const path = folder.file("sparse");
  truncateSync(path, 2 ** 40);
  refused(path, "too-large", new RegExp(`larger than ${LIMITS.fileBytes} bytes`));
});

Deno.test("readPolicyFile() refuses a file of no size that never ends", () => {
  // Its size is 0, so only the reading can notice.
  if (Deno.statSync("/proc/self/maps").size === 0) {
    refused("/proc/self/maps", "too-large", /larger than 16 bytes/, 16);
  }
});

Deno.test("readPolicyFile() refuses what is not there", () => {
  using folder = new Folder();
  refused(join(folder.path, "absent"), "missing", /there is no such file/);
  refused(join(folder.file("file"), "below"), "missing", /there is no such file/);
});

Deno.test("readPolicyFile() refuses a directory, a device and a symbolic link", () => {
  using folder = new Folder();
  refused(folder.path, "not-regular", /is a directory/);
  refused("/dev/null", "not-regular", /is a device/);
  const link = join(folder.path, "link");
  symlinkSync(folder.file("target"), link);
  refused(link, "symlink", /give the path of the file itself/);
  const dangling = join(folder.path, "dangling");
  symlinkSync("nowhere", dangling);
  refused(dangling, "symlink", /symbolic link/);
});

Deno.test("readPolicyFile() refuses a FIFO without waiting for a writer", () => {
  using folder = new Folder();
  const path = join(folder.path, "fifo");
  strictEqual(new Deno.Command("mkfifo", { args: [path] }).outputSync().code, 0);
  refused(path, "not-regular", /is a FIFO/);
});

Deno.test("readPolicyFile() refuses a socket", () => {
  using folder = new Folder();
  const path = join(folder.path, "socket");
  using _listener = Deno.listen({ transport: "unix", path });
  refused(path, "not-regular", /is a socket/);
});

for (const [mode, who] of [[0o664, "its group"], [0o646, "everyone"], [0o666, "everyone"]] as const) {
  Deno.test(`readPolicyFile() refuses a file of mode ${mode.toString(8)}`, () => {
    using folder = new Folder();
    const path = folder.file("it's.yaml", "", mode);
    refused(path, "writable", new RegExp(`writable by ${who}; chmod go-w '`));
  });
}

Deno.test("readPolicyFile() refuses a file in a directory that others can write to", () => {
  using folder = new Folder();
  const directory = join(folder.path, "a");
  mkdirSync(join(directory, "b"), { recursive: true });
  const path = folder.file("a/b/policy.yaml");
  chmodSync(directory, 0o777);
  refused(path, "directory-unsafe", /lies in .*\/a, which is writable by everyone; keep it/);
  chmodSync(directory, 0o1777);
  ok(readPolicyFile(path).bytes.length > 0);
  chmodSync(directory, 0o775);
  refused(path, "directory-unsafe", /writable by its group/);
});

Deno.test("readPolicyFile() looks at the directory behind a symbolic link in the path", () => {
  using folder = new Folder();
  mkdirSync(join(folder.path, "open"));
  folder.file("open/policy.yaml");
  chmodSync(join(folder.path, "open"), 0o777);
  symlinkSync("open", join(folder.path, "link"));
  refused(join(folder.path, "link/policy.yaml"), "directory-unsafe", /\/open, which/);
});

Deno.test({
  name: "readPolicyFile() refuses another user's file and directory when run as root",
  ignore: !isRoot,
  fn: () => {
    using folder = new Folder();
    const path = folder.file("policy.yaml");
    chownSync(path, 65534, 65534);
    refused(path, "wrong-owner", /belongs to uid 65534, not to root; chown root /);
    chownSync(path, 0, 0);
    chownSync(folder.path, 65534, 65534);
    refused(path, "directory-unsafe", /belongs to uid 65534/);
  },
});

Deno.test({
  name: "readPolicyFile() says permission denied to a user who may not read the file",
  ignore: !isRoot,
  fn: () => {
    using folder = new Folder();
    const path = folder.file("policy.yaml", "secret", 0o600);
    chmodSync(folder.path, 0o755);
    strictEqual(codeAsNobody(path), "unreadable");
    chmodSync(path, 0o644);
    strictEqual(codeAsNobody(path), "read");
    chmodSync(folder.path, 0o700);
    strictEqual(codeAsNobody(path), "unreadable");
  },
});

/** What a user without any rights gets for a file: `read`, or the code of the refusal. */
function codeAsNobody(path: string): string {
  const script = `import { readPolicyFile } from ${
    JSON.stringify(fileURLToPath(new URL("./read.ts", import.meta.url)))
  };
    try { readPolicyFile(${
    JSON.stringify(path)
  }); console.log("read"); } catch (error) { console.log(error.code); }`;
  const { stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", script],
    env: { DENO_DIR: "/dev/null/none", NO_COLOR: "1" },
    uid: 65534,
    gid: 65534,
  }).outputSync();
  const decoder = new TextDecoder();
  return decoder.decode(stdout).trim() || decoder.decode(stderr);
}
