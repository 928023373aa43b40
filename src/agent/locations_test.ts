import { ok, strictEqual, throws } from "node:assert/strict";
import { EnvironmentError, locations } from "./locations.ts";

Deno.test("locations() are the contract's when nothing is set, or set to nothing", () => {
  for (const variables of [{}, { AEGISBPF_ROOT: "", AEGISBPF_BPFFS: "" }]) {
    const places = locations(variables);
    strictEqual(places.policy, "/etc/aegisbpf/policy.yaml");
    strictEqual(places.state, "/var/lib/aegisbpf");
    strictEqual(places.socket, "/run/aegisbpf/control.sock");
    strictEqual(places.pins, "/sys/fs/bpf/aegisbpf");
  }
});

Deno.test("locations() puts everything but the pins below AEGISBPF_ROOT", () => {
  const { pins, ...others } = locations({ AEGISBPF_ROOT: "/srv/guest/" });
  strictEqual(pins, "/sys/fs/bpf/aegisbpf");
  for (const [name, path] of Object.entries(others)) {
    ok(/^\/srv\/guest\/(etc|var|run)\//.test(path), `${name}: ${path}`);
  }
});

Deno.test("locations() moves the pins by AEGISBPF_BPFFS", () => {
  strictEqual(locations({ AEGISBPF_BPFFS: "/mnt/bpf//" }).pins, "/mnt/bpf/aegisbpf");
});

Deno.test("locations() means the whole host by AEGISBPF_ROOT=/", () => {
  strictEqual(locations({ AEGISBPF_ROOT: "/" }).run, "/run/aegisbpf");
});

Deno.test("locations() refuses what is not an absolute path, and names the variable", () => {
  for (const value of ["relative", ".", "~/x", " /x", "/a\0b"]) {
    throws(() => locations({ AEGISBPF_ROOT: value }), EnvironmentError, JSON.stringify(value));
    throws(
      () => locations({ AEGISBPF_BPFFS: value }),
      (error: unknown) => error instanceof EnvironmentError && error.message.includes("AEGISBPF_BPFFS"),
    );
  }
});
