import { equal, match } from "node:assert/strict";
import { InstanceLock } from "../agent/instance_lock.ts";
import { TestHost } from "./test_support.ts";

Deno.test("detach says what it would do and ends with 2 when --yes is missing", async () => {
  using host = new TestHost();
  equal(await host.run("detach"), 2);
  match(host.err, /detach would remove all pins in .*\nTo do that: aegisbpf detach --yes\n$/);
});

Deno.test("detach --yes is done when there is nothing to remove", async () => {
  using host = new TestHost();
  equal(await host.run("detach --yes"), 0);
  equal(host.out, `nothing to remove: no pins in ${host.places.pins}\n`);
  equal(await host.run("detach --yes"), 0);
});

Deno.test("detach --yes ends with 2 and the pid when an agent is running", async () => {
  using host = new TestHost();
  using _lock = InstanceLock.take(host.places);
  equal(await host.run("detach --yes"), 2);
  match(host.err, new RegExp(`already running, pid ${Deno.pid}; stop it first: systemctl stop aegisbpf`));
});
