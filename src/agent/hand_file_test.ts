import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { type HandContent, HandFile, NOTHING_BY_HAND } from "./hand_file.ts";

class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "aegisbpf-hand-" });
  readonly file = `${this.path}/hand.json`;
  readonly copy = `${this.path}/hand.last.json`;

  get asideCount(): number {
    return [...Deno.readDirSync(this.path)].filter(({ name }) => name.includes(".damaged-")).length;
  }

  put(text: string, path: string = this.file): void {
    Deno.writeTextFileSync(path, text, { mode: 0o600 });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const CONTENT: HandContent = {
  version: 1,
  next: 3,
  deny: [
    { id: "hand:1", target: "/etc/shadow", ops: ["read"], added: "2026-01-01T00:00:00.000Z" },
    {
      id: "hand:leak",
      target: "8:1:131074:7",
      ops: ["read", "write", "exec"],
      added: "2026-01-01T00:00:00.000Z",
      expires: "2026-01-01T01:00:00.000Z",
    },
  ],
  allow: [{ cgroup: "/system.slice/backup.service", added: "2026-01-01T00:00:00.000Z" }],
};

Deno.test("HandFile gives back what was written, readable for its owner alone", () => {
  using folder = new Folder();
  const file = new HandFile(folder.path);
  deepStrictEqual(file.read(), { content: NOTHING_BY_HAND, notes: [] });
  file.write(CONTENT);
  deepStrictEqual(new HandFile(folder.path).read(), { content: CONTENT, notes: [] });
  strictEqual((Deno.statSync(folder.file).mode ?? 0) & 0o777, 0o600);
});

/** What may have become of a file, and of what its note speaks. */
const DAMAGE: readonly (readonly [string, string, RegExp])[] = [
  ["empty", "", /not JSON/],
  ["cut", JSON.stringify(CONTENT).slice(0, 100), /not JSON/],
  ["not an object", "[]", /damaged/],
  ["of another version", JSON.stringify({ ...CONTENT, version: 2 }), /at version/],
  ["without its rules", JSON.stringify({ ...CONTENT, deny: undefined }), /at deny/],
  ["with a key that is unknown", JSON.stringify({ ...CONTENT, more: 1 }), /damaged/],
  [
    "with a relative path",
    JSON.stringify({ ...CONTENT, deny: [{ ...CONTENT.deny[0], target: "etc" }] }),
    /deny\.0\.target/,
  ],
  [
    "with an operation that is none",
    JSON.stringify({ ...CONTENT, deny: [{ ...CONTENT.deny[0], ops: ["reed"] }] }),
    /ops/,
  ],
  [
    "with no operation",
    JSON.stringify({ ...CONTENT, deny: [{ ...CONTENT.deny[0], ops: [] }] }),
    /deny\.0\.ops/,
  ],
  [
    "with a policy's id",
    JSON.stringify({ ...CONTENT, deny: [{ ...CONTENT.deny[0], id: "leak" }] }),
    /deny\.0\.id/,
  ],
  ["with an id twice", JSON.stringify({ ...CONTENT, deny: [CONTENT.deny[0], CONTENT.deny[0]] }), /at deny/],
  [
    "with a time that is none",
    JSON.stringify({ ...CONTENT, deny: [{ ...CONTENT.deny[0], expires: "soon" }] }),
    /expires/,
  ],
  [
    "with a cgroup that is none",
    JSON.stringify({ ...CONTENT, allow: [{ ...CONTENT.allow[0], cgroup: "x" }] }),
    /allow\.0\.cgroup/,
  ],
];

Deno.test("HandFile sets a damaged file aside and takes the copy", () => {
  for (const [what, text, expected] of DAMAGE) {
    using folder = new Folder();
    const file = new HandFile(folder.path);
    file.write(CONTENT);
    folder.put(text);
    const { content, notes } = file.read();
    deepStrictEqual(content, CONTENT, what);
    match(notes[0] ?? "", expected, what);
    match(notes.join("\n"), /set aside as .*damaged-[^]*is used instead/, what);
    strictEqual(folder.asideCount, 1, what);
    deepStrictEqual(file.read(), { content: CONTENT, notes: [] }, what);
  }
});

Deno.test("HandFile says that rules are lost when the copy is damaged too, and keeps both files", () => {
  using folder = new Folder();
  const file = new HandFile(folder.path);
  folder.put("{");
  folder.put("{", folder.copy);
  const { content, notes } = file.read();
  deepStrictEqual(content, NOTHING_BY_HAND);
  match(notes.join("\n"), /hand\.json is damaged[^]*hand\.last\.json is damaged[^]*are lost/);
  strictEqual(folder.asideCount, 1);
});

Deno.test("HandFile takes the copy when the file is gone, and says so", () => {
  using folder = new Folder();
  const file = new HandFile(folder.path);
  file.write(CONTENT);
  Deno.removeSync(folder.file);
  const { content, notes } = file.read();
  deepStrictEqual(content, CONTENT);
  match(notes.join("\n"), /hand\.json is gone/);
});

Deno.test("HandFile does not trust a file that others may write, nor a symbolic link", () => {
  using folder = new Folder();
  const file = new HandFile(folder.path);
  file.write(CONTENT);
  Deno.chmodSync(folder.file, 0o666);
  match(file.read().notes[0] ?? "", /writable by everyone/);
  Deno.renameSync(folder.file, `${folder.path}/elsewhere`);
  Deno.symlinkSync(`${folder.path}/elsewhere`, folder.file);
  match(file.read().notes[0] ?? "", /symbolic link/);
});
