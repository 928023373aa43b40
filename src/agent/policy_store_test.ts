import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { PolicyStore, type StoredPolicy } from "./policy_store.ts";

function inFolder(test: (state: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-store-" });
  try {
    test(`${folder}/var/lib/aegisbpf`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function policy(text: string): StoredPolicy {
  const bytes = new TextEncoder().encode(text);
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex"), file: `/etc/${text}.yaml` };
}

Deno.test("PolicyStore gives back the bytes and the name of the policy that is current", () => {
  inFolder((state) => {
    const [one, two] = [policy("one"), policy("two")];
    const store = new PolicyStore(state);
    strictEqual(store.readCurrent(), undefined);
    for (const each of [one, two]) store.keep(each);
    store.markCurrent(two);
    const read = new PolicyStore(state).readCurrent();
    deepStrictEqual({ ...read, bytes: new Uint8Array(read?.bytes ?? []) }, two);
    strictEqual(new PolicyStore(state).read(one.sha256)?.file, `${state}/policies/${one.sha256}.yaml`);
  });
});

Deno.test("PolicyStore makes its folder for its owner alone", () => {
  inFolder((state) => {
    new PolicyStore(state);
    strictEqual((Deno.statSync(`${state}/policies`).mode ?? 0) & 0o777, 0o700);
  });
});

Deno.test("PolicyStore gives nothing when a policy's bytes were changed", () => {
  inFolder((state) => {
    const store = new PolicyStore(state);
    const one = policy("one");
    store.keep(one);
    store.markCurrent(one);
    Deno.writeTextFileSync(`${state}/policies/${one.sha256}.yaml`, "onE");
    strictEqual(store.read(one.sha256), undefined);
    strictEqual(store.readCurrent(), undefined);
    store.keep(one);
    strictEqual(store.readCurrent()?.sha256, one.sha256);
  });
});

Deno.test("PolicyStore gives nothing when current.json is damaged or names what is not there", () => {
  inFolder((state) => {
    const store = new PolicyStore(state);
    const one = policy("one");
    store.keep(one);
    const damaged = [
      "",
      "{",
      "null",
      "[]",
      '"x"',
      "{}",
      JSON.stringify({ sha256: one.sha256 }),
      JSON.stringify({ sha256: 5, file: "/x" }),
      JSON.stringify({ sha256: "../../../etc/shadow", file: "/x" }),
      JSON.stringify({ sha256: one.sha256.toUpperCase(), file: "/x" }),
      JSON.stringify({ sha256: "00".repeat(32), file: "/x" }),
    ];
    for (const text of damaged) {
      Deno.writeTextFileSync(`${state}/current.json`, text);
      strictEqual(store.readCurrent(), undefined, text);
      strictEqual(store.read(one.sha256)?.sha256, one.sha256, text);
    }
    Deno.writeFileSync(`${state}/current.json`, Uint8Array.of(0xff, 0xfe, 0x00));
    strictEqual(store.readCurrent(), undefined);
  });
});
