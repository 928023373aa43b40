import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { KEPT_POLICIES, PolicyStore, type StoredPolicy } from "./policy_store.ts";

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
    strictEqual(new PolicyStore(state).read(one.sha256)?.file, one.file);
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

Deno.test("PolicyStore gives the last good policy when current.json is damaged or names what is not there", () => {
  inFolder((state) => {
    const told: string[] = [];
    const store = new PolicyStore(state, (line) => told.push(line));
    const [one, tried] = [policy("one"), policy("tried")];
    store.keep(one);
    store.markCurrent(one);
    store.keep(tried);
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
      "\xff\xfe\x00",
    ];
    for (const text of damaged) {
      Deno.writeTextFileSync(`${state}/current.json`, text);
      strictEqual(store.readCurrent()?.sha256, one.sha256, text);
      match(told.splice(0).join("\n"), /current\.json is damaged; it is kept as .*damaged-/);
    }
    Deno.writeTextFileSync(
      `${state}/current.json`,
      JSON.stringify({ sha256: "00".repeat(32), file: "/x" }),
    );
    strictEqual(store.readCurrent()?.sha256, one.sha256);
    match(told.join("\n"), /cannot be read/);
  });
});

Deno.test("PolicyStore gives nothing when no policy was in force for good", () => {
  inFolder((state) => {
    const store = new PolicyStore(state);
    store.keep(policy("tried"));
    strictEqual(store.readCurrent(), undefined);
  });
});

Deno.test("PolicyStore keeps a signature beside a policy", () => {
  inFolder((state) => {
    const store = new PolicyStore(state);
    const signed = { ...policy("one"), signature: new TextEncoder().encode("signature") };
    store.keep(signed);
    strictEqual(new TextDecoder().decode(store.read(signed.sha256)?.signature), "signature");
  });
});

Deno.test("PolicyStore keeps the last 32 policies or a few more, and those that are needed", () => {
  inFolder((state) => {
    const store = new PolicyStore(state);
    const policies = Array.from({ length: 40 }, (_, index) => policy(`policy ${index}`));
    for (const each of policies.slice(0, 39)) store.keep(each, { serial: 1, name: "x" });
    store.prune([]);
    strictEqual(store.kept.length, 39);
    for (const each of policies.slice(39)) store.keep(each, { serial: 1, name: "x" });
    store.prune([policies[0]?.sha256 ?? ""]);
    const kept = new PolicyStore(state).kept.map(({ sha256 }) => sha256);
    strictEqual(kept.length, KEPT_POLICIES);
    ok(kept.includes(policies[0]?.sha256 ?? "") && kept.includes(policies[39]?.sha256 ?? ""));
    strictEqual([...Deno.readDirSync(`${state}/policies`)].length, KEPT_POLICIES);
  });
});

Deno.test("PolicyStore makes a damaged list of what is kept anew from the policies", () => {
  inFolder((state) => {
    const told: string[] = [];
    const text = (serial: number) => `version: 1\nname: web\nserial: ${serial}\nrules: []\n`;
    for (const serial of [8, 7]) new PolicyStore(state).keep(policy(text(serial)));
    Deno.writeTextFileSync(`${state}/kept.json`, '[{"sha256": 1}]');
    const store = new PolicyStore(state, (line) => told.push(line));
    deepStrictEqual(store.kept.map(({ serial, name }) => [serial, name]), [[7, "web"], [8, "web"]]);
    match(told.join(), /kept\.json is damaged/);
  });
});
