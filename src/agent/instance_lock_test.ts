import { ok, strictEqual } from "node:assert/strict";
import { libc } from "../../ffi/libc.ts";
import { InstanceLock } from "./instance_lock.ts";
import { locations } from "./locations.ts";
import { refusalOf } from "./test_support.ts";

libc();

Deno.test("InstanceLock refuses a second agent, with the pid of the first, until the first is gone", () => {
  const root = Deno.makeTempDirSync({ prefix: "aegisbpf-lock-" });
  try {
    const places = locations({ AEGISBPF_ROOT: root });
    {
      using _lock = InstanceLock.take(places);
      const refusal = refusalOf(() => InstanceLock.take(places));
      strictEqual(refusal.exit, 3);
      ok(refusal.message.endsWith(`already running, pid ${Deno.pid}`), refusal.message);
    }
    strictEqual((Deno.statSync(places.lock).mode ?? 0) & 0o777, 0o600);
    InstanceLock.take(places)[Symbol.dispose]();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("InstanceLock is taken over what an agent that died left", () => {
  const root = Deno.makeTempDirSync({ prefix: "aegisbpf-lock-" });
  try {
    const places = locations({ AEGISBPF_ROOT: root });
    Deno.mkdirSync(places.run, { recursive: true });
    Deno.writeTextFileSync(places.lock, "999999999\n");
    using _lock = InstanceLock.take(places);
    strictEqual(Deno.readTextFileSync(places.lock), `${Deno.pid}\n`);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
